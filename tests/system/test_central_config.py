"""Config entries reach the proxies of a real agent, in its own view and in the catalog."""

import pytest

from tests.system.agent_process import AgentProcess, wait_until

pytestmark = pytest.mark.system

PROXY = "central-web-sidecar-proxy"


def shown(agent: AgentProcess) -> tuple[str | None, str]:
    answer = agent.get(f"/v1/agent/service/{PROXY}").json
    return answer["Proxy"].get("Config", {}).get("protocol"), answer["ContentHash"]


def in_catalog(agent: AgentProcess) -> str | None:
    rows = agent.get(f"/v1/catalog/service/{PROXY}").json
    return rows[0]["ServiceProxy"].get("Config", {}).get("protocol") if rows else None


def test_a_sidecar_follows_the_entries_of_its_service(agent: AgentProcess) -> None:
    agent.put_ok(
        "/v1/config", {"Kind": "service-defaults", "Name": "central-web", "Protocol": "http"}
    )
    agent.put_ok(
        "/v1/agent/service/register",
        {"Name": "central-web", "Port": 9000, "Connect": {"SidecarService": {}}},
    )
    protocol, first_hash = shown(agent)
    wait_until(lambda: in_catalog(agent) == "http", what="merged form in the catalog")

    agent.put_ok(
        "/v1/config", {"Kind": "service-defaults", "Name": "central-web", "Protocol": "grpc"}
    )
    wait_until(lambda: in_catalog(agent) == "grpc", what="changed form in the catalog")
    changed, second_hash = shown(agent)
    agent.delete("/v1/config/service-defaults/central-web")
    wait_until(lambda: in_catalog(agent) is None, what="registered form in the catalog")
    agent.put_ok("/v1/agent/service/deregister/central-web")

    assert (protocol, changed) == ("http", "grpc")
    assert first_hash != second_hash
