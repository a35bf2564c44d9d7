"""Agents of a cluster that join, leave, die, come back, and that may not come in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter, wait_until
from tests.system.cluster import (
    CHANGE_WAIT_S,
    WAYS_TO_LEAVE,
    Cluster,
    client_options,
    instances,
    is_blocked,
    member_status,
    node_status,
    put_leave,
    spawn,
    wait_exit,
    wait_logged,
)
from tests.system.dns_client import ask, records

pytestmark = pytest.mark.system

# A call waits for the hold time of 7 s for a server; what comes on top is the machine's.
OUTAGE_ANSWER_S = (6.0, 12.0)


def wait_member(agent: AgentProcess, name: str, status: str | None) -> None:
    """Return once an agent sees a member so; None for one it does not know any more."""
    wait_until(
        lambda: member_status(agent).get(name) == status,
        timeout_s=CHANGE_WAIT_S,
        what=f"{name} {status}",
    )


def test_a_killed_client_fails_and_its_services_are_hidden_until_it_is_back(
    start_agent: AgentStarter,
) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    dying, other = cluster.client("c1"), cluster.client("c2")
    dying.put_ok("/v1/agent/service/register", {"Name": "web", "Port": 80})
    wait_until(lambda: instances(other, "web") == [("c1", 80)])

    dying.kill()

    cluster.wait_node("c1", "critical", via=[cluster.server, other])
    wait_member(other, "c1", "failed")
    assert instances(other, "web") == []
    assert records(ask(other.dns_port, "web.service.consul.", "SRV"), "SRV") == []
    kept = other.get("/v1/catalog/service/web").json
    assert [row["Node"] for row in kept] == ["c1"], "a dead node's services stay registered"

    dying.restart()

    cluster.wait_node("c1", "passing")
    wait_until(lambda: instances(other, "web") == [("c1", 80)], what="its kept service")
    assert set(member_status(dying).values()) == {"alive"}


@pytest.mark.parametrize("leave", WAYS_TO_LEAVE, ids=lambda leave: leave.__name__)
def test_a_client_that_leaves_is_taken_out_of_the_catalog(
    start_agent: AgentStarter, leave: Callable[[AgentProcess], None]
) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    leaving, other = cluster.client("c1"), cluster.client("c2")
    leaving.put_ok("/v1/agent/service/register", {"Name": "web", "Port": 80})
    wait_until(lambda: instances(other, "web") == [("c1", 80)])

    leave(leaving)

    assert wait_exit(leaving) == 0
    cluster.wait_node("c1", "", via=[cluster.server, other])
    wait_member(other, "c1", "left")
    nodes = [row["Node"] for row in other.get("/v1/catalog/nodes").json]
    assert nodes == ["c2", "s1"]
    assert other.get("/v1/catalog/service/web").json == []


def test_a_client_that_left_comes_back(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    client = cluster.client("c1")
    client.put_ok("/v1/agent/leave")
    wait_exit(client)
    client.kill()
    cluster.wait_node("c1", "")

    client.restart()

    cluster.wait_node("c1", "passing")
    assert member_status(cluster.server)["c1"] == "alive"


def test_a_client_that_must_not_leave_on_sigterm_has_failed(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    client = cluster.client("c1", "-hcl=leave_on_terminate = false")

    assert client.stop() == 0

    cluster.wait_node("c1", "critical")
    assert member_status(cluster.server)["c1"] == "failed"


def test_a_dead_client_is_forced_to_leave_by_any_agent(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    first, second, other = (cluster.client(name) for name in ("c1", "c2", "c3"))
    for dying in (first, second):
        dying.kill()
    for name in ("c1", "c2"):
        cluster.wait_node(name, "critical")
        wait_member(other, name, "failed")

    unknown = other.put("/v1/agent/force-leave/nobody")
    other.put_ok("/v1/agent/force-leave/c1")
    pruned = other.run("force-leave", "-prune", "c2")

    assert (unknown.status, unknown.text) == (500, "agent: No node found with name 'nobody'")
    assert pruned.returncode == 0, pruned
    for agent in (cluster.server, other):
        wait_member(agent, "c1", "left")
        wait_member(agent, "c2", None)
    for name in ("c1", "c2"):
        cluster.wait_node(name, "")


def test_clients_outlive_a_restart_of_the_server(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1", dev=False)
    first, second = cluster.client("c1"), cluster.client("c2")
    first.put_ok("/v1/kv/kept", "value")
    first.put_ok("/v1/agent/service/register", {"Name": "before", "Port": 1})
    wait_until(lambda: instances(second, "before") == [("c1", 1)])

    cluster.server.kill()
    refused = first.put("/v1/kv/lost", "1")
    second.put_ok("/v1/agent/service/register", {"Name": "meanwhile", "Port": 2})
    own = second.get("/v1/agent/services").json
    cluster.server.restart()

    assert refused.status == 500
    assert refused.text.startswith("rpc error making call: failed to get conn: 127.0.0.1:")
    assert OUTAGE_ANSWER_S[0] < refused.elapsed_s < OUTAGE_ANSWER_S[1]
    assert "meanwhile" in own
    for name in ("c1", "c2"):
        cluster.wait_node(name, "passing")
    assert second.get("/v1/kv/kept?raw").text == "value"
    assert second.get("/v1/kv/lost").status == 404
    wait_until(lambda: instances(first, "meanwhile") == [("c2", 2)], timeout_s=CHANGE_WAIT_S)
    assert instances(second, "before") == [("c1", 1)]
    assert second.put("/v1/kv/after", "1").json is True


def test_a_blocking_read_goes_on_over_a_short_restart_of_the_server(
    start_agent: AgentStarter,
) -> None:
    cluster = Cluster(start_agent, "-node=s1", dev=False)
    client = cluster.client("c1")
    client.put_ok("/v1/kv/watched", "old")
    index = client.get("/v1/kv/watched").index

    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(client.get, f"/v1/kv/watched?raw&index={index}&wait=25s")
        wait_until(lambda: is_blocked(cluster.server), what="a blocking read")
        cluster.server.kill()
        cluster.server.restart()
        client.put_ok("/v1/kv/watched", "new")
        answer = waiting.result()

    assert (answer.status, answer.text) == (200, "new")
    assert answer.index > index


def test_a_client_answers_from_its_cache_while_the_server_is_away(
    start_agent: AgentStarter,
) -> None:
    cluster = Cluster(start_agent, "-node=s1", dev=False)
    client = cluster.client("c1")
    client.put_ok("/v1/agent/service/register", {"Name": "web", "Port": 80})
    wait_until(lambda: instances(client, "web") == [("c1", 80)])
    path = "/v1/health/service/web?cached"
    first, second = client.get(path), client.get(path)

    cluster.server.kill()
    during = client.get(path)
    cluster.server.restart()
    other = cluster.client("c2")
    other.put_ok("/v1/agent/service/register", {"Name": "web", "Port": 81})

    assert [answer.headers["X-Cache"] for answer in (first, second, during)] == [
        "MISS",
        "HIT",
        "HIT",
    ]
    assert during.json == first.json
    assert during.elapsed_s < 1
    wait_until(lambda: len(client.get(path).json) == 2, timeout_s=2 * CHANGE_WAIT_S)
    assert client.get(path).headers["X-Cache"] == "HIT"


def test_a_client_that_never_finds_a_server_ends_after_its_tries(
    start_agent: AgentStarter,
) -> None:
    options = client_options("c1", start_agent.directory / "c1")
    nobody = ("-retry-join=127.0.0.1:1", "-retry-max=2", "-retry-interval=100ms")
    client = spawn(start_agent.make(*options, *nobody, dev=False))

    assert wait_exit(client) == 1
    assert "max join retry exhausted, exiting" in client.log_tail()


def test_a_client_that_must_join_at_once_ends_without_its_server(
    start_agent: AgentStarter,
) -> None:
    options = client_options("c1", start_agent.directory / "c1")
    client = spawn(start_agent.make(*options, "-join=127.0.0.1:1", dev=False))

    assert wait_exit(client) == 1
    assert "127.0.0.1:1" in client.log_tail()
    assert "Traceback" not in client.log_tail()


def test_a_name_in_use_is_refused_and_its_owner_unharmed(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    owner, other = cluster.client("c1"), cluster.client("c2")
    owner.put_ok("/v1/agent/service/register", {"Name": "web", "Port": 80})
    wait_until(lambda: instances(other, "web") == [("c1", 80)])
    before = other.get("/v1/agent/members").json

    second = spawn(cluster.make_client("c1", "-retry-interval=200ms", directory="second"))
    wait_logged(second, "join failed, will retry")
    refused = second.put(f"/v1/agent/join/{cluster.lan_address}")

    assert refused.status == 500
    assert "Node name 'c1' is in use by another agent: names must be unique" in refused.text
    assert list(member_status(second)) == ["c1"]
    for agent in cluster.agents:
        assert agent.get("/v1/agent/members").json == before
        assert node_status(agent, "c1") == "passing"
        assert instances(agent, "web") == [("c1", 80)]


@pytest.mark.parametrize("end", [put_leave, AgentProcess.kill], ids=["left", "dead"])
def test_the_name_of_an_agent_that_is_gone_is_free_within_30_seconds(
    start_agent: AgentStarter, end: Callable[[AgentProcess], None]
) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    former = cluster.client("c1")
    end(former)
    if former.process is not None:
        wait_exit(former)

    heir = spawn(cluster.make_client("c1", directory="heir"))

    def is_member() -> bool:
        (member,) = (m for m in cluster.server.get("/v1/agent/members").json if m["Name"] == "c1")
        return (member["Port"], member["Status"]) == (heir.ports["serf-lan"], 1)

    wait_until(is_member, timeout_s=30)
    own_id = heir.get("/v1/agent/self").json["Config"]["NodeID"]
    path = "/v1/catalog/node/c1"
    wait_until(lambda: cluster.server.get(path).json["Node"]["ID"] == own_id)
    cluster.wait_node("c1", "passing", via=[cluster.server, heir])


def test_an_agent_of_another_datacenter_is_refused(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    stranger = start_agent("-node=s9", "-datacenter=dc9")

    refused = stranger.put(f"/v1/agent/join/{cluster.lan_address}")
    by_hand = cluster.server.run("join", f"127.0.0.1:{stranger.ports['serf-lan']}")

    assert refused.status == 500
    assert "part of wrong datacenter" in refused.text
    assert by_hand.returncode == 1
    assert b"wrong datacenter" in by_hand.stdout + by_hand.stderr
    assert list(member_status(cluster.server)) == ["s1"]
    assert list(member_status(stranger)) == ["s9"]


def test_a_client_joined_by_hand_takes_part(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    options = client_options("c1", start_agent.directory / "c1")
    client = spawn(start_agent.make(*options, dev=False))
    wait_logged(client, "agent running")

    done = client.run("join", cluster.lan_address)

    assert done.stdout == b"Successfully joined cluster by contacting 1 nodes.\n", done
    cluster.wait_node("c1", "passing")
    assert client.put("/v1/kv/joined", "1").json is True


def test_a_reload_of_a_client_brings_its_new_services_to_the_catalog(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    configuration = tmp_path / "conf"
    configuration.mkdir()
    cluster = Cluster(start_agent, "-node=s1")
    client = cluster.client("c1", f"-config-dir={configuration}")
    (configuration / "web.json").write_text('{"service": {"name": "web", "port": 80}}')

    done = client.run("reload")

    assert done.returncode == 0, done
    wait_until(lambda: instances(cluster.server, "web") == [("c1", 80)])
