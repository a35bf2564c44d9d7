"""Trouble that users of sessions and locks met in the field, with the outcome that is right."""

import time
from typing import Any

import pytest

from tests.system.agent_process import AgentProcess, wait_until

pytestmark = pytest.mark.compat

NOBODY = "00000000-0000-0000-0000-000000000000"


def create(agent: AgentProcess, **fields: Any) -> str:
    return agent.put_ok("/v1/session/create", {"LockDelay": "0s", **fields}).json["ID"]


def lives(agent: AgentProcess, session: str) -> bool:
    return bool(agent.get(f"/v1/session/info/{session}").json)


@pytest.mark.timeout(90)
def test_session_ends_between_once_and_twice_its_ttl(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1172, #2347; patroni/patroni#1661."""
    session = create(agent, TTL="10s")
    renewed = create(agent, TTL="10s")
    began = time.monotonic()
    assert agent.put(f"/v1/kv/ttl-lock?acquire={session}", "x").json is True

    wait_until(lambda: time.monotonic() - began > 8, timeout_s=20, what="most of the TTL")
    agent.put_ok(f"/v1/session/renew/{renewed}")
    wait_until(lambda: not lives(agent, session), timeout_s=20, pause_s=0.2, what="the end")
    took_s = time.monotonic() - began

    assert 9.9 < took_s < 20.9
    pair = agent.get("/v1/kv/ttl-lock").json[0]
    assert "Session" not in pair
    assert pair["LockIndex"] == 1
    assert took_s > 17.9 or lives(agent, renewed)


def test_lock_is_advisory_and_keeps_its_fencing_count(agent: AgentProcess) -> None:
    """1.9.8 resets LockIndex on a plain write. Source: hashicorp/consul#1623, #3847."""
    holder, other = create(agent), create(agent)
    agent.put_ok(f"/v1/kv/lk?acquire={holder}", "A")

    assert agent.put("/v1/kv/lk", "plain").json is True
    assert agent.put(f"/v1/kv/lk?acquire={other}", "B").json is False
    assert agent.put(f"/v1/kv/lk?release={other}", "B").json is False

    pair = agent.get("/v1/kv/lk").json[0]
    assert pair["Session"] == holder
    assert pair["LockIndex"] == 1
    assert agent.get("/v1/kv/lk?raw").text == "plain"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"TTL":"9s"}', "TTL"),
        ('{"TTL":"25h"}', "TTL"),
        ('{"TTL":"10"}', "TTL"),
        ('{"TTL":10}', ""),
        ('{"TTL":"abc"}', "TTL"),
        ('{"Behavior":"explode"}', "explode"),
        ('{"Checks":["nochk"]}', "nochk"),
        ('{"Node":"nonode"}', "nonode"),
        ("{bad", ""),
    ],
)
def test_bad_session_is_the_clients_fault(agent: AgentProcess, body: str, named: str) -> None:
    """1.9.8 answers 500 to most. Source: hashicorp/consul#1670, docker-archive/classicswarm#838."""
    answer = agent.put("/v1/session/create", body)

    assert answer.status == 400
    assert named in answer.text
    assert answer.text


def test_empty_body_makes_a_default_session(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1041."""
    session = agent.put_ok("/v1/session/create", b"").json["ID"]

    assert agent.get(f"/v1/session/info/{session}").json[0]["NodeChecks"] == ["serfHealth"]


def test_unknown_session_is_404_to_renew_and_gone_to_destroy(agent: AgentProcess) -> None:
    """Source: patroni/patroni#1579, rickfast/consul-client#70."""
    renewed = agent.put(f"/v1/session/renew/{NOBODY}")

    assert renewed.status == 404
    assert NOBODY in renewed.text
    assert agent.put(f"/v1/session/destroy/{NOBODY}").json is True
    assert agent.get(f"/v1/session/info/{NOBODY}").json == []


@pytest.mark.parametrize("verb", ["renew", "destroy"])
def test_malformed_session_id_is_the_clients_fault(agent: AgentProcess, verb: str) -> None:
    """1.9.8 answers 500. Source: hashicorp/consul#1670."""
    assert agent.put(f"/v1/session/{verb}/notauuid").status == 400


@pytest.mark.parametrize("field", ["NodeChecks", "Checks"])
def test_explicit_empty_list_means_no_checks(agent: AgentProcess, field: str) -> None:
    """Source: patroni/patroni#522."""
    session = create(agent, **{field: []})

    assert agent.get(f"/v1/session/info/{session}").json[0]["NodeChecks"] == []
