"""Counting what the connections carry."""

from agent.rpc.meter import Count, uncounted
from agent.telemetry.metrics import Metrics


def test_the_agents_metrics_count_calls():
    metrics = Metrics(now_s=0.0)
    counts: tuple[Count, ...] = (metrics.count, uncounted)

    for count in counts:
        count("consul.client.rpc")
        count("consul.client.rpc.failed", server="server-1")

    counted = {series.metric.name for series in metrics.collect()}
    assert {"consul.client.rpc", "consul.client.rpc.failed"} <= counted
