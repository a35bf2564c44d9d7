import json

from agent.clock import wall_s
from agent.telemetry.metrics import Metrics
from agent.telemetry.stream import stream_json


async def test_each_interval_that_ends_is_one_line(monkeypatch):
    monkeypatch.setattr("agent.telemetry.metrics.INTERVAL_S", 0.05)
    metrics = Metrics(now_s=wall_s())
    lines = stream_json(metrics, host_name="node-a")
    metrics.gauge("consul.raft.peers", 3)
    metrics.count("consul.client.rpc")

    first, second = [await anext(lines) for _ in range(2)]
    await lines.aclose()

    assert json.loads(first)["Counters"][0]["Sum"] == 1
    assert json.loads(second)["Counters"] == []
    assert json.loads(second)["Gauges"][0]["Name"] == "consul.node-a.raft.peers"
    assert first.endswith(b"}\n")
