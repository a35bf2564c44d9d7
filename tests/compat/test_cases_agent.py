"""Trouble that users of the agent's own registrations met in the field, with the right outcome."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.system.agent_process import AgentProcess, wait_until

pytestmark = pytest.mark.compat


@pytest.mark.parametrize("identity", ["a/b//c", "ps\u2028x", "http://h:1/x", " ", "%41", "a/../b"])
def test_what_registers_can_be_read_and_removed_by_url(agent: AgentProcess, identity: str) -> None:
    """1.9.8 redirects or refuses the removal. Source: hashicorp/consul#2813, #13913, #20122."""
    service = {"ID": identity, "Name": "slashy", "Port": 1}
    registered = agent.put("/v1/agent/service/register", service)
    if registered.status == 400:
        assert registered.text
        return
    path = quote(identity, safe="")

    read = agent.get(f"/v1/agent/service/{path}")
    removed = agent.put(f"/v1/agent/service/deregister/{path}")

    assert (read.status, read.json["ID"]) == (200, identity)
    assert removed.status == 200
    assert identity not in agent.get("/v1/agent/services").json


def test_unescaped_slashes_in_a_service_id_are_kept(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#2813."""
    agent.put_ok("/v1/agent/service/register", {"ID": "u/v//w", "Name": "slashy", "Port": 1})

    assert agent.put("/v1/agent/service/deregister/u/v//w").status == 200
    assert "u/v//w" not in agent.get("/v1/agent/services").json


def check_statuses(agent: AgentProcess, service: str) -> dict[str, str]:
    checks = agent.get("/v1/agent/checks").json.values()
    return {c["CheckID"]: c["Status"] for c in checks if c["ServiceName"] == service}


def test_equal_registration_keeps_the_status_and_wakes_nobody(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#5114, #216."""
    service: dict[str, Any] = {"Name": "twice", "Port": 1, "Check": {"TTL": "30s"}}
    agent.put_ok("/v1/agent/service/register", service)
    agent.put_ok("/v1/agent/check/pass/service:twice")
    wait_until(lambda: agent.get("/v1/health/service/twice?passing").json, what="passing")
    index = agent.get("/v1/health/service/twice").index

    agent.put_ok("/v1/agent/service/register", service)

    assert check_statuses(agent, "twice") == {"service:twice": "passing"}
    assert agent.get(f"/v1/health/service/twice?index={index}&wait=1s").index == index


def test_old_checks_stay_unless_replacing_is_asked(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#4905."""
    other = {"Name": "more", "Port": 1, "Checks": [{"CheckID": "more-other", "TTL": "30s"}]}
    agent.put_ok("/v1/agent/service/register", {"Name": "more", "Port": 1, "Check": {"TTL": "30s"}})

    agent.put_ok("/v1/agent/service/register", other)
    both = set(check_statuses(agent, "more"))
    agent.put_ok("/v1/agent/service/register?replace-existing-checks=true", other)

    assert both == {"service:more", "more-other"}
    assert set(check_statuses(agent, "more")) == {"more-other"}


def test_failed_registration_changes_nothing(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#216."""
    agent.put_ok("/v1/agent/service/register", {"Name": "intact", "Port": 1, "Tags": ["old"]})

    invalid = {"Name": "intact", "Port": 2, "Check": {"HTTP": "http://127.0.0.1:1/"}}
    answer = agent.put("/v1/agent/service/register", invalid)

    assert answer.status == 400
    stored = agent.get("/v1/agent/service/intact").json
    assert (stored["Port"], stored["Tags"]) == (1, ["old"])
    assert check_statuses(agent, "intact") == {}
