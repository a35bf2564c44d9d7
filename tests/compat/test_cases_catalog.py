"""Trouble that users of the catalogue met in the field, with the outcome that is right."""

from typing import Any

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter, wait_until

pytestmark = pytest.mark.compat

FIRST_ID = "11111111-1111-1111-1111-111111111111"
SECOND_ID = "22222222-2222-2222-2222-222222222222"


def register(agent: AgentProcess, node: str, address: str, **fields: Any) -> None:
    agent.put_ok("/v1/catalog/register", {"Node": node, "Address": address, **fields})


def names(agent: AgentProcess, prefix: str) -> list[str]:
    found = [row["Node"] for row in agent.get("/v1/catalog/nodes").json]
    return [name for name in found if name.lower().startswith(prefix)]


def test_same_id_with_a_new_name_is_a_rename(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3974, #4741."""
    service = {"Service": "rn-web", "Port": 80}
    register(agent, "rn1", "10.9.0.1", ID=FIRST_ID, Service=service)

    register(agent, "rn2", "10.9.0.1", ID=FIRST_ID)

    assert names(agent, "rn") == ["rn2"]
    assert list(agent.get("/v1/catalog/node/rn2").json["Services"]) == ["rn-web"]
    assert agent.get("/v1/catalog/node/rn1").json is None


def test_registration_without_id_keeps_the_known_one(agent: AgentProcess) -> None:
    """1.9.8 erases it. Source: hashicorp/consul#9939."""
    register(agent, "keep-id", "10.9.1.1", ID="33333333-3333-3333-3333-333333333333")

    register(agent, "KEEP-ID", "10.9.1.3")

    node = agent.get("/v1/catalog/node/keep-id").json["Node"]
    assert node["ID"] == "33333333-3333-3333-3333-333333333333"
    assert node["Address"] == "10.9.1.3"
    assert len(names(agent, "keep-id")) == 1


def test_name_of_a_live_node_cannot_be_taken(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3974, #4741."""
    check = {"CheckID": "serfHealth", "Name": "alive", "Status": "passing"}
    register(agent, "live1", "10.9.2.1", ID="44444444-4444-4444-4444-444444444444", Check=check)

    thief = {"Node": "live1", "Address": "10.9.2.2", "ID": SECOND_ID}
    answer = agent.put("/v1/catalog/register", thief)

    assert answer.status >= 400
    assert SECOND_ID in answer.text
    assert "44444444-4444-4444-4444-444444444444" in answer.text
    assert agent.get("/v1/catalog/node/live1").json["Node"]["Address"] == "10.9.2.1"


@pytest.mark.timeout(240)
def test_agent_restores_its_own_rows_and_leaves_external_ones(start_agent: AgentStarter) -> None:
    """Source: hashicorp/consul#729, #7513, #3703."""
    agent = start_agent("-node=authority")
    agent.put_ok("/v1/agent/service/register", {"Name": "mine", "Port": 1})
    wait_until(lambda: agent.get("/v1/catalog/service/mine").json, what="first sync")
    ghost = {"ID": "ghost", "Service": "ghost", "Port": 1}
    register(agent, "authority", "127.0.0.1", Service=ghost)
    register(agent, "elsewhere", "10.9.3.1", Service={"Service": "external", "Port": 1})
    agent.put_ok("/v1/catalog/deregister", {"Node": "authority", "ServiceID": "mine"})

    wait_until(lambda: agent.get("/v1/catalog/service/mine").json, timeout_s=150, what="mine back")
    wait_until(
        lambda: not agent.get("/v1/catalog/service/ghost").json, timeout_s=150, what="ghost gone"
    )

    assert agent.get("/v1/catalog/service/external").json
