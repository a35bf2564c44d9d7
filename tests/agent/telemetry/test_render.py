import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from agent.telemetry.metrics import Metrics
from agent.telemetry.render import to_json, to_prometheus
from agent.telemetry.table import REQUEST_BUCKETS_MS

AT_S = 1_700_000_003.0


def recorded(**options):
    metrics = Metrics(now_s=AT_S, **options)
    metrics.gauge("consul.raft.peers", 3)
    metrics.count("consul.client.rpc", 2)
    metrics.count("consul.client.rpc", 4)
    for milliseconds in (1.0, 2.0, 3.0):
        metrics.sample("consul.api.http", milliseconds, method="GET", path="v1_kv_")
    return metrics


def parsed(metrics, **options):
    text = to_prometheus(metrics, **options).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_json_has_the_shape_of_consul():
    expected = {
        "Timestamp": "2023-11-14 22:13:20 +0000 UTC",
        "Gauges": [{"Name": "consul.raft.peers", "Value": 3, "Labels": {}}],
        "Points": [],
        "Counters": [
            {
                "Name": "consul.client.rpc",
                "Count": 2,
                "Rate": 0.6,
                "Sum": 6.0,
                "Min": 2,
                "Max": 4,
                "Mean": 3.0,
                "Stddev": math.sqrt(2),
                "Labels": {},
            }
        ],
        "Samples": [
            {
                "Name": "consul.api.http",
                "Count": 3,
                "Rate": 0.6,
                "Sum": 6.0,
                "Min": 1.0,
                "Max": 3.0,
                "Mean": 2.0,
                "Stddev": 1.0,
                "Labels": {"method": "GET", "path": "v1_kv_"},
            }
        ],
    }

    assert to_json(recorded(), now_s=AT_S) == expected


def test_json_of_an_idle_interval_keeps_gauges_only():
    metrics = recorded()

    to_json(metrics, now_s=AT_S + 10)
    shown = to_json(metrics, now_s=AT_S + 20)

    assert shown["Timestamp"] == "2023-11-14 22:13:30 +0000 UTC"
    assert (len(shown["Gauges"]), shown["Counters"], shown["Samples"]) == (1, [], [])
    json.dumps(shown, allow_nan=False)


def test_prefix_and_host_name_are_put_into_names():
    shown = to_json(recorded(prefix="mine"), now_s=AT_S, host_name="node-a")

    assert shown["Gauges"][0]["Name"] == "mine.node-a.raft.peers"
    assert shown["Counters"][0]["Name"] == "mine.client.rpc"


def test_prometheus_text_is_read_by_its_own_parser_with_types():
    families = parsed(recorded())

    assert {name: family.type for name, family in families.items()} == {
        "consul_raft_peers": "gauge",
        "consul_client_rpc": "counter",
        "consul_api_http": "summary",
    }
    (rpc,) = families["consul_client_rpc"].samples
    assert rpc.value == 6
    http = {
        (sample.name, sample.labels.get("quantile")): sample.value
        for sample in families["consul_api_http"].samples
    }
    assert http == {
        ("consul_api_http", "0.5"): 2.0,
        ("consul_api_http", "0.9"): 3.0,
        ("consul_api_http", "0.99"): 3.0,
        ("consul_api_http_sum", None): 6.0,
        ("consul_api_http_count", None): 3.0,
    }


def test_prometheus_totals_outlive_the_interval():
    metrics = recorded()

    metrics.advance(AT_S + 100)

    assert parsed(metrics)["consul_client_rpc"].samples[0].value == 6


def test_prometheus_counter_has_no_total_suffix():
    assert b"\nconsul_client_rpc 6\n" in to_prometheus(recorded())


def test_prometheus_host_name_is_a_valid_part_of_the_name():
    assert "consul_node_a_raft_peers" in parsed(recorded(), host_name="node-a")


def test_prometheus_of_nothing_is_empty():
    assert to_prometheus(Metrics(now_s=0)) == b""


@given(
    st.text(
        alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\r"), max_size=20
    )
)
def test_any_label_value_survives_the_text_form(value):
    metrics = Metrics(now_s=0)
    metrics.count("consul.catalog.service.query", service=value)

    (family,) = parsed(metrics).values()

    assert family.samples[0].labels == {"service": value}


@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (0.25, "0.25")]
)
def test_prometheus_writes_numbers_in_gos_way(value, text):
    metrics = Metrics(now_s=0)
    metrics.gauge("consul.raft.peers", value)

    assert to_prometheus(metrics).decode().endswith(f"\nconsul_raft_peers {text}\n")


def test_prometheus_histogram_is_cumulative_and_read_by_its_own_parser():
    metrics = Metrics(now_s=AT_S)
    edge = {"source": "web", "destination": "db", "route": "db", "direction": "inbound"}
    counts = [3, 1, *[0] * (len(REQUEST_BUCKETS_MS) - 2), 2]

    metrics.histogram("consul.mesh.request_duration_ms", counts, 30_001.5, **edge)

    family = parsed(metrics)["consul_mesh_request_duration_ms"]
    assert family.type == "histogram"
    by_bound = {sample.labels["le"]: sample.value for sample in family.samples[:-2]}
    assert (by_bound["0.5"], by_bound["1"], by_bound["10000"]) == (3, 4, 4)
    assert by_bound["+Inf"] == 6
    assert [sample.value for sample in family.samples[-2:]] == [30_001.5, 6]


def test_json_shows_a_histogram_as_a_sample():
    metrics = Metrics(now_s=AT_S)
    edge = {"source": "web", "destination": "db", "route": "", "direction": "inbound"}

    metrics.histogram("consul.mesh.request_duration_ms", [2], 0.5, **edge)

    (sample,) = to_json(metrics, now_s=AT_S)["Samples"]
    assert (sample["Count"], sample["Mean"], sample["Labels"]) == (2, 0.25, edge)
