"""/v1/operator."""

import json

import pytest

from tests.agent.harness import House


async def test_the_servers_of_the_log_are_shown(house: House):
    shown = (await house.ask("GET", "/v1/operator/raft/configuration")).json

    (server,) = shown["Servers"]
    assert (server["Node"], server["Leader"], server["Voter"]) == ("node-a", True, True)
    assert server["ID"] == house.agent.node_id


async def test_autopilot_is_configured_as_a_whole_with_an_index(house: House):
    target = "/v1/operator/autopilot/configuration"
    shown = (await house.ask("GET", target)).json
    assert shown["CleanupDeadServers"] is True
    body = json.dumps({**shown, "CleanupDeadServers": False}).encode()

    assert (await house.ask("PUT", f"{target}?cas=1", body)).json is False
    assert (await house.ask("PUT", f"{target}?cas={shown['ModifyIndex']}", body)).json is True
    assert (await house.ask("GET", target)).json["CleanupDeadServers"] is False


@pytest.mark.parametrize(
    ("query", "body", "text"),
    [
        ("?cas=x", b"{}", b"Bad request: Error parsing cas value: "),
        ("", b"{", b"Bad request: Error parsing autopilot config: "),
    ],
)
async def test_a_bad_configuration_is_refused(house: House, query, body, text):
    answered = await house.ask("PUT", f"/v1/operator/autopilot/configuration{query}", body)

    assert answered.status == 400
    assert answered.body.startswith(text)


async def test_a_lone_server_is_healthy(house: House):
    health = (await house.ask("GET", "/v1/operator/autopilot/health")).json
    state = (await house.ask("GET", "/v1/operator/autopilot/state")).json

    assert (health["Healthy"], health["FailureTolerance"]) == (True, 0)
    assert state["Leader"] == house.agent.node_id
    assert state["Voters"] == [house.agent.node_id]


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 500), ("?relay-factor=6", 400), ("?relay-factor=x", 400), ("?local-only=x", 400)],
)
async def test_the_keyring_is_off(house: House, query, status):
    assert (await house.ask("GET", f"/v1/operator/keyring{query}")).status == status
