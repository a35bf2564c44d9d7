"""Claims about the metrics of calls."""

from agent.telemetry.calls import CallMetrics
from agent.telemetry.metrics import Metrics
from agent.telemetry.render import to_json


def shown(metrics: Metrics) -> dict:
    return to_json(metrics, now_s=1.0)


def test_a_write_is_a_sample_of_its_own_metric_in_milliseconds():
    metrics = Metrics(now_s=0.0)

    CallMetrics(metrics).record("KVS.Apply", 0.25)

    (sample,) = [each for each in shown(metrics)["Samples"] if each["Name"] == "consul.kvs.apply"]
    assert (1, 250.0) == (sample["Count"], sample["Max"])


def test_other_calls_count_as_queries():
    metrics = Metrics(now_s=0.0)

    CallMetrics(metrics).record("Health.ServiceNodes", 0.1)

    (counter,) = [each for each in shown(metrics)["Counters"] if each["Name"] == "consul.rpc.query"]
    assert counter["Count"] == 1
