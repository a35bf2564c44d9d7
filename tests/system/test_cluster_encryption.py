"""Gossip keys: who has another or none stays out, and keys are changed while agents run."""

import base64
from typing import Any

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter
from tests.system.cluster import (
    Cluster,
    client_options,
    member_status,
    node_status,
    spawn,
    wait_logged,
)

pytestmark = pytest.mark.system

KEY = base64.b64encode(b"k" * 16).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()
KEYRING = "/v1/operator/keyring"


def encrypted_cluster(start_agent: AgentStarter) -> Cluster:
    return Cluster(start_agent, "-node=s1", f"-encrypt={KEY}")


def outsider(start_agent: AgentStarter, *options: str) -> AgentProcess:
    """An agent that runs and has joined nobody."""
    own = client_options("c9", start_agent.directory / "c9")
    agent = spawn(start_agent.make(*own, *options, dev=False))
    wait_logged(agent, "agent running")
    return agent


def lan_pool(agent: AgentProcess) -> dict[str, Any]:
    """The LAN's keyring as an agent tells it."""
    return next(pool for pool in agent.get(KEYRING).json if not pool["WAN"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "Remote state is encrypted and encryption is not configured"),
        ((f"-encrypt={OTHER_KEY}",), "No installed keys could decrypt the message"),
    ],
    ids=["no key", "another key"],
)
def test_an_agent_without_the_key_is_refused_with_the_reason(
    start_agent: AgentStarter, options: tuple[str, ...], reason: str
) -> None:
    cluster = encrypted_cluster(start_agent)
    cluster.client("c1", f"-encrypt={KEY}")
    stranger = outsider(start_agent, *options)

    refused = stranger.put(f"/v1/agent/join/{cluster.lan_address}")

    assert refused.status == 500
    assert reason.lower() in refused.text.lower()
    assert list(member_status(stranger)) == ["c9"]
    for agent in cluster.agents:
        assert member_status(agent) == {"s1": "alive", "c1": "alive"}


def test_an_agent_with_a_key_does_not_join_those_without(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    stranger = outsider(start_agent, f"-encrypt={KEY}")

    refused = stranger.put(f"/v1/agent/join/{cluster.lan_address}")

    assert refused.status == 500
    assert "encrypt" in refused.text.lower()
    assert member_status(cluster.server) == {"s1": "alive"}


def test_keys_are_changed_by_the_api_while_all_stay_connected(start_agent: AgentStarter) -> None:
    cluster = encrypted_cluster(start_agent)
    client = cluster.client("c1", f"-encrypt={KEY}")
    cluster.client("c2", f"-encrypt={KEY}")

    installed = client.request("POST", KEYRING, {"Key": OTHER_KEY})
    both = lan_pool(client)
    used = client.put(KEYRING, {"Key": OTHER_KEY})
    early = client.request("DELETE", KEYRING, {"Key": OTHER_KEY})
    removed = client.request("DELETE", KEYRING, {"Key": KEY})
    last = lan_pool(client)

    assert [installed.status, used.status, removed.status] == [200, 200, 200]
    assert (both["Keys"], both["PrimaryKeys"]) == ({KEY: 3, OTHER_KEY: 3}, {KEY: 3})
    assert early.status == 500
    assert "removing the primary key is not allowed" in early.text
    assert (last["Keys"], last["PrimaryKeys"], last["NumNodes"]) == (
        {OTHER_KEY: 3},
        {OTHER_KEY: 3},
        3,
    )
    late = cluster.client("c3", f"-encrypt={OTHER_KEY}")
    assert set(member_status(late).values()) == {"alive"}
    for name in cluster.clients:
        assert node_status(cluster.server, name) == "passing"


def test_keys_are_changed_by_the_command_line(start_agent: AgentStarter) -> None:
    cluster = encrypted_cluster(start_agent)
    client = cluster.client("c1", f"-encrypt={KEY}")

    for flag, key in (("install", OTHER_KEY), ("use", OTHER_KEY), ("remove", KEY)):
        done = client.run("keyring", f"-{flag}={key}")
        assert done.returncode == 0, done
    listed = client.run("keyring", "-list").stdout.decode()

    assert f"dc1 (LAN):\n  {OTHER_KEY} [2/2]\n" in listed
    assert f"WAN:\n  {OTHER_KEY} [1/1]\n" in listed
    assert KEY not in listed


def test_a_restarted_agent_has_the_keys_of_its_data_directory(start_agent: AgentStarter) -> None:
    cluster = encrypted_cluster(start_agent)
    client = cluster.client("c1", f"-encrypt={KEY}")
    for flag, key in (("install", OTHER_KEY), ("use", OTHER_KEY), ("remove", KEY)):
        assert cluster.server.run("keyring", f"-{flag}={key}").returncode == 0
    client.kill()
    cluster.wait_node("c1", "critical")

    client.restart()

    cluster.wait_node("c1", "passing")
    assert lan_pool(client)["Keys"] == {OTHER_KEY: 2}
