"""Claims about the agent's gauges."""

from agent.gauges import Gauges
from agent.telemetry.render import to_json


async def test_gauges_show_the_state_and_the_log(house):
    await house.ask("PUT", "/v1/kv/a", b"1")
    agent = house.agent

    Gauges(agent).collect(agent.metrics)

    gauges = {each["Name"]: each["Value"] for each in to_json(agent.metrics, now_s=1.0)["Gauges"]}
    assert gauges["consul.state.kv_entries"] == 1
    assert gauges["consul.state.nodes"] == 1
    assert gauges["consul.raft.last_index"] == agent.server.driver.last_index
    assert gauges["consul.rpc.queries_blocking"] == 0
