"""Several servers as one: how they begin, write, read, leave, grow, and are recovered."""

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.agent_process import AgentStarter, wait_until
from tests.system.cluster import member_status, wait_logged
from tests.system.servers import Servers, loopback_servers

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

# A new server is trusted after one second instead of ten, so that a test can wait for it.
QUICK_TRUST = '-hcl=autopilot { server_stabilization_time = "1s" }'
# The hold time of 7 s, and a busy machine.
ANSWER_S_MAX = 13.0
VOTERS = {"s1": True, "s2": True, "s3": True}


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Three servers at work that the tests of this module share and leave as they were."""
    starter = AgentStarter(tmp_path_factory.mktemp("trio"))
    try:
        servers = loopback_servers(starter, 3, QUICK_TRUST)
        servers.start()
        yield servers
    finally:
        starter.end_all()


def data_dir(servers: Servers, name: str) -> Path:
    return servers[name].log_path.parent / "data"


def raw(servers: Servers, name: str, key: str, query: str = "") -> str:
    """A key's value as a server answers it; empty when it is not there."""
    answer = servers[name].get(f"/v1/kv/{key}?raw{query}")
    return answer.text if answer.status == 200 else ""


# Together.


def test_servers_know_one_leader_and_each_other_as_voters(trio: Servers) -> None:
    leader = trio.wait_leader()

    told = {trio[name].get("/v1/status/leader").json for name in trio.names}
    peers = {tuple(sorted(trio[name].get("/v1/status/peers").json)) for name in trio.names}

    assert told == {trio.addresses[leader]}
    assert peers == {tuple(sorted(trio.addresses.values()))}
    for name in trio.names:
        assert trio.members(name) == VOTERS


def test_write_through_any_server_is_read_through_any_other(trio: Servers) -> None:
    for number, (writer, reader) in enumerate(itertools.permutations(trio.names, 2)):
        trio[writer].put_ok(f"/v1/kv/through/{number}", writer)

        assert raw(trio, reader, f"through/{number}") == writer
        assert raw(trio, reader, f"through/{number}", "&consistent") == writer


def test_stale_read_of_a_follower_tells_how_old_it_is(trio: Servers) -> None:
    trio[trio.wait_leader()].put_ok("/v1/kv/stale", "x")
    follower = trio[trio.followers()[0]]
    wait_until(lambda: follower.get("/v1/kv/stale?stale").status == 200)

    answer = follower.get("/v1/kv/stale?stale")

    assert answer.headers["X-Consul-KnownLeader"] == "true"
    assert int(answer.headers["X-Consul-LastContact"]) < 1000


def test_cas_through_all_servers_counts_every_success(trio: Servers) -> None:
    trio["s1"].put_ok("/v1/kv/count", "0")
    done = 0
    for name in trio.names * 10:
        row = trio[name].get("/v1/kv/count").json[0]
        index = row["ModifyIndex"]
        done += trio[name].put(f"/v1/kv/count?cas={index}", str(done + 1)).json

    assert done == 30
    assert raw(trio, "s1", "count") == "30"


def test_blocking_query_at_a_follower_wakes_by_a_write_through_another(trio: Servers) -> None:
    reader, writer = trio.followers()
    trio[writer].put_ok("/v1/kv/watched", "before")
    index = trio[reader].get("/v1/kv/watched").index

    connection = trio[reader].connection(timeout_s=20)
    connection.request("GET", f"/v1/kv/watched?raw&index={index}&wait=15s")
    trio[writer].put_ok("/v1/kv/watched", "after")
    answer = connection.getresponse().read()
    connection.close()

    assert answer == b"after"


def test_list_peers_at_a_follower_shows_one_leader_and_two_followers(trio: Servers) -> None:
    done = trio[trio.followers()[0]].run("operator", "raft", "list-peers")

    lines = [line.split() for line in done.stdout.decode().splitlines()]
    assert done.returncode == 0
    assert ["Node", "ID", "Address", "State", "Voter", "RaftProtocol"] == lines[0]
    states = sorted((words[0], words[4]) for words in lines[1:])
    assert states == [("s1", "true"), ("s2", "true"), ("s3", "true")]
    assert sorted(words[3] for words in lines[1:]) == ["follower", "follower", "leader"]


def test_registration_at_one_server_is_found_through_all(trio: Servers) -> None:
    trio["s2"].put_ok("/v1/agent/service/register", {"Name": "web", "Port": 80})

    for name in trio.names:
        wait_until(
            lambda name=name: (
                [row["Node"]["Node"] for row in trio[name].get("/v1/health/service/web").json]
                == ["s2"]
            )
        )


def test_leadership_is_handed_over_on_request(trio: Servers) -> None:
    leader = trio.wait_leader()
    other = next(name for name in trio.names if name != leader)
    answer = trio[leader].request(
        "POST", f"/v1/operator/raft/transfer-leader?id={trio.node_id(other)}"
    )

    assert answer.json == {"Success": True}
    assert trio.wait_leader(other_than=leader) == other


def test_rolling_restart_loses_no_write_and_no_member(trio: Servers) -> None:
    written = {}
    for number, name in enumerate(trio.names):
        trio[name].stop()
        for other in trio.names:
            if other != name:
                key = f"rolling/{number}/{other}"
                # A server that led a moment ago may take the hold time to find who leads now.
                wait_until(lambda o=other, k=key: trio[o].put(f"/v1/kv/{k}", k).status == 200)
                written[key] = key
        trio[name].restart()
        wait_until(lambda n=name: trio.stored(n, "rolling/") is not None)

    rows = trio.wait_same("rolling/")
    assert [row["Key"] for row in rows] == sorted(written)
    trio.wait_members(VOTERS, via="s1")


# Beginnings.


@pytest.mark.parametrize("last", ["s1", "s3"])
def test_servers_form_one_cluster_once_the_last_expected_one_is_there(
    start_agent: AgentStarter, last: str
) -> None:
    servers = loopback_servers(start_agent, 3)
    first, second = (name for name in ("s3", "s2", "s1") if name != last)
    servers[first].spawn()
    servers[second].spawn()
    wait_until(
        lambda: sorted(member_status_or_none(servers, first)) == sorted([first, second]),
        timeout_s=20,
    )

    answer = servers[first].get("/v1/kv/a")
    leader = servers[first].get("/v1/status/leader").json
    servers[last].spawn()
    for name in servers.names:
        servers[name].wait_ready()

    assert (500, "No cluster leader") == (answer.status, answer.text)
    assert leader == ""
    for name in servers.names:
        assert servers.members(name) == VOTERS


def member_status_or_none(servers: Servers, name: str) -> dict[str, str]:
    try:
        return member_status(servers[name])
    except OSError:
        return {}


# Changes.


def test_leader_that_leaves_is_replaced_and_no_longer_a_member(start_agent: AgentStarter) -> None:
    servers = loopback_servers(start_agent, 3)
    servers.start()
    leader = servers.wait_leader()
    servers[leader].put_ok("/v1/kv/kept", "x")

    servers[leader].run("leave")
    process = servers[leader].process
    assert process is not None
    process.wait(20)

    rest = [name for name in servers.names if name != leader]
    assert servers.wait_leader(other_than=leader, among=rest) in rest
    servers.wait_members(dict.fromkeys(rest, True), via=rest[0])
    assert raw(servers, rest[1], "kept") == "x"
    servers[rest[0]].put_ok("/v1/kv/after", "x")


def test_fourth_server_comes_in_without_a_vote_and_gets_one(start_agent: AgentStarter) -> None:
    servers = loopback_servers(start_agent, 4, QUICK_TRUST)
    for name in ("s1", "s2", "s3", "s4"):
        servers[name].arguments = tuple(
            word.replace("expect=4", "expect=3") for word in servers[name].arguments
        )
    servers.start(["s1", "s2", "s3"])
    servers["s1"].put_ok("/v1/kv/old", "x")
    seen: set[bool] = set()

    servers["s4"].spawn()

    def promoted() -> bool:
        vote = servers.members("s1").get("s4")
        seen.update([vote] if vote is not None else [])
        return vote is True

    wait_until(promoted, timeout_s=30, pause_s=0.02, what="a vote of s4")
    assert seen == {False, True}
    assert [row["Key"] for row in servers.wait_same("old")] == ["old"]


def test_wiped_server_comes_back_under_a_new_id(start_agent: AgentStarter) -> None:
    servers = loopback_servers(start_agent, 3, QUICK_TRUST)
    servers.start()
    servers["s1"].put_ok("/v1/kv/kept", "x")
    victim = servers.followers()[0]
    old_id = servers.node_id(victim)

    servers[victim].kill()
    data_dir(servers, victim).rename(servers[victim].log_path.parent / "lost")
    servers[victim].restart()

    assert servers.node_id(victim) != old_id
    servers.wait_voters(servers.names, via=servers.wait_leader())
    assert [row["Key"] for row in servers.wait_same("kept")] == ["kept"]


def test_one_of_three_is_recovered_with_peers_json(start_agent: AgentStarter) -> None:
    servers = loopback_servers(start_agent, 3)
    servers.start()
    servers["s1"].put_ok("/v1/kv/kept", "x")
    servers.wait_same("kept")
    server_id = servers.node_id("s1")
    servers.end()

    peer = {"id": server_id, "address": servers.addresses["s1"], "non_voter": False}
    peers_file = data_dir(servers, "s1") / "raft" / "peers.json"
    peers_file.write_text(json.dumps([peer]))
    servers["s1"].restart()

    assert raw(servers, "s1", "kept") == "x"
    servers["s1"].put_ok("/v1/kv/after", "x")
    assert servers.members("s1") == {"s1": True}
    assert not peers_file.exists()


def test_server_of_another_cluster_is_kept_out(start_agent: AgentStarter) -> None:
    servers = loopback_servers(start_agent, 3)
    servers.start()
    servers["s1"].put_ok("/v1/kv/ours", "x")
    stranger = loopback_servers(start_agent, 1)["s1"]
    stranger.arguments = tuple(
        word.replace("-node=s1", "-node=stranger") for word in stranger.arguments
    )
    stranger.spawn()
    stranger.wait_ready()
    stranger.put_ok("/v1/kv/theirs", "x")

    leader = servers[servers.wait_leader()]
    stranger.put_ok(f"/v1/agent/join/127.0.0.1:{servers['s1'].ports['serf-lan']}")
    wait_logged(leader, "server not added")
    wait_logged(stranger, "server not added")

    servers["s2"].put_ok("/v1/kv/still", "x")
    for name in servers.names:
        assert raw(servers, name, "theirs") == ""
        assert servers.members(name) == VOTERS
    stranger.put_ok("/v1/kv/theirs", "y")
    assert [row["Key"] for row in stranger.get("/v1/kv/?recurse&stale").json] == ["theirs"]


# Too few.


def test_one_of_three_refuses_writes_shows_what_it_has_and_heals(
    start_agent: AgentStarter,
) -> None:
    servers = loopback_servers(start_agent, 3, "-hcl=autopilot { cleanup_dead_servers = false }")
    servers.start()
    servers["s1"].put_ok("/v1/kv/kept", "x")
    servers.wait_same("kept")
    for name in ("s2", "s3"):
        servers[name].kill()
    last = servers["s1"]
    wait_until(lambda: last.get("/v1/status/leader").json == "", timeout_s=20, what="no leader")

    with ThreadPoolExecutor() as callers:
        asked = [
            callers.submit(last.put, "/v1/kv/a", "x"),
            callers.submit(last.get, "/v1/kv/kept"),
            callers.submit(last.get, "/v1/kv/kept?consistent"),
        ]
        answers = [call.result() for call in asked]
    stale = last.get("/v1/kv/kept?stale&raw")
    servers["s2"].spawn()
    wait_until(lambda: last.put("/v1/kv/after", "x").status == 200, timeout_s=20)

    for refused in answers:
        assert (500, "No cluster leader") == (refused.status, refused.text)
        assert refused.elapsed_s < ANSWER_S_MAX
    assert (200, "x", "false") == (stale.status, stale.text, stale.headers["X-Consul-KnownLeader"])
    assert int(stale.headers["X-Consul-LastContact"]) > 1000 * answers[0].elapsed_s
    assert raw(servers, "s1", "kept") == "x"
