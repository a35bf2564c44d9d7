"""What is asked of another datacenter, through a server and through a client: real processes."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system import dns_client
from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, wait_until
from tests.system.cluster import Cluster, is_blocked, lasting_server
from tests.system.servers import loopback_servers
from tests.system.wan import BOTH_ALIVE, QUICK_WAN, datacenter, wait_wan, wan_address

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

UNREACHABLE = "Remote DC has no server currently reachable"
# Far below the hold time of 7 s, in which a leader of the own datacenter is waited for.
REFUSAL_WAIT_S = 4.0
SERVED_WAIT_S = 20.0


class World(NamedTuple):
    """Server and client of dc1, and the server of dc2."""

    near: AgentProcess
    client: AgentProcess
    far: AgentProcess

    @property
    def doors(self) -> tuple[AgentProcess, AgentProcess]:
        """The agents of dc1."""
        return self.near, self.client


def open_world(start_agent: AgentStarter, far: AgentProcess) -> World:
    """Join both datacenters."""
    cluster = Cluster(start_agent, "-node=s1", "-datacenter=dc1")
    client = cluster.client("c1", "-datacenter=dc1")
    far.put_ok(f"/v1/agent/join/{wan_address(cluster.server)}?wan=1")
    for server in (cluster.server, far):
        wait_wan(server, BOTH_ALIVE)
    return World(cluster.server, client, far)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two datacenters that no test breaks; each test has names of its own."""
    starter = AgentStarter(Path(tmp_path_factory.mktemp("wan")))
    try:
        yield open_world(starter, datacenter(starter, 2))
    finally:
        starter.end_all()


def register(agent: AgentProcess, name: str, port: int, **check: str) -> None:
    """A service of an agent; with a TTL check if one is given."""
    body: dict[str, Any] = {"Name": name, "Port": port}
    agent.put_ok("/v1/agent/service/register", body | ({"Check": check} if check else {}))


def ports(agent: AgentProcess, path: str) -> list[int]:
    """The ports of the instances that a list of services' health shows."""
    return sorted(row["Service"]["Port"] for row in agent.get(path).json)


def value(agent: AgentProcess, path: str) -> str:
    (row,) = agent.get(path).json
    return base64.b64decode(row["Value"]).decode()


def test_keys_are_written_and_read_in_the_datacenter_named(world: World) -> None:
    for number, door in enumerate(world.doors):
        key = f"/v1/kv/named-{number}"
        assert door.put_ok(f"{key}?dc=dc2", "far").json is True
        assert door.put_ok(f"{key}?dc=dc1", "near").json is True

        for agent in (door, world.far):
            assert value(agent, f"{key}?dc=dc2") == "far"
            assert value(agent, f"{key}?datacenter=DC1&consistent") == "near"
        assert value(world.far, key) == "far"
        assert value(door, f"{key}?dc=dc2&stale") == "far"


def test_an_unknown_datacenter_is_refused_through_both(world: World) -> None:
    texts = ("No path to datacenter", "rpc error making call: No path to datacenter")
    for door, text in zip(world.doors, texts, strict=True):
        for answer in (door.get("/v1/kv/a?dc=dc3"), door.put("/v1/kv/a?dc=dc3", "x")):
            assert (answer.status, answer.text) == (500, text)
        found = dns_client.ask(door.dns_port, "web.service.dc3.consul", "A")
        assert (found.header.rcode, len(found.auth)) == (3, 1)


def test_a_refusal_of_the_other_datacenter_is_told(world: World) -> None:
    for door, relays in zip(world.doors, (1, 2), strict=True):
        answer = door.put("/v1/kv/refused?dc=dc2&acquire=00000000-0000-0000-0000-000000000000")
        assert answer.status == 500
        assert answer.text.startswith("rpc error making call: " * relays + "invalid session")


def test_a_blocking_read_waits_in_the_other_datacenter(world: World) -> None:
    with ThreadPoolExecutor(1) as pool:
        for number, door in enumerate(world.doors):
            key = f"/v1/kv/waited-{number}"
            world.far.put_ok(key, "old")
            index = door.get(f"{key}?dc=dc2").index

            read = pool.submit(door.get, f"{key}?dc=dc2&index={index}&wait=20s")
            wait_until(lambda: is_blocked(world.far), what="blocked there")
            world.far.put_ok(key, "new")

            answer = read.result()
            assert base64.b64decode(answer.json[0]["Value"]) == b"new"
            assert answer.index > index
            wait_until(lambda: not is_blocked(world.far), what="not blocked any more")


def test_a_blocking_read_ends_with_its_wait(world: World) -> None:
    index = world.near.get("/v1/catalog/nodes?dc=dc2").index

    answer = world.client.get(f"/v1/catalog/nodes?dc=dc2&index={index}&wait=100ms")

    assert [row["Node"] for row in answer.json] == ["s2"]


def test_services_health_sessions_events_and_intentions_reach_the_other(world: World) -> None:
    register(world.far, "everywhere", 2000)
    register(world.near, "everywhere", 1000)
    for door in world.doors:
        for agent, port in ((door, 1000), (world.far, 2000)):
            path = "/v1/health/service/everywhere"
            wait_until(lambda agent=agent, path=path, port=port: ports(agent, path) == [port])
        assert ports(door, "/v1/health/service/everywhere?dc=dc2&passing") == [2000]
        (row,) = door.get("/v1/catalog/service/everywhere?dc=dc2").json
        assert (row["Node"], row["Datacenter"], row["ServicePort"]) == ("s2", "dc2", 2000)
        assert door.get("/v1/status/leader?dc=dc2").json == world.far.get("/v1/status/leader").json
        summary = door.get("/v1/internal/ui/services?dc=dc2").json
        assert {each["Datacenter"] for each in summary} == {"dc2"}

        node = {"Node": "s2"}
        session = door.put_ok("/v1/session/create?dc=dc2", node).json["ID"]
        assert [row["ID"] for row in world.far.get(f"/v1/session/info/{session}").json] == [session]
        assert door.put_ok(f"/v1/session/destroy/{session}?dc=dc2").json is True

        fired = door.put_ok("/v1/event/fire/across?dc=dc2", "x").json["ID"]
        wait_until(
            lambda fired=fired: fired in {e["ID"] for e in world.far.get("/v1/event/list").json}
        )
        assert door.get("/v1/event/list?name=across").json == []

        exact = "/v1/connect/intentions/exact?source=a&destination=everywhere"
        door.put_ok(f"{exact}&dc=dc2", {"Action": "deny"})
        assert world.far.get(exact).json["Action"] == "deny"
        assert door.get(exact).status == 404
        assert door.delete(f"{exact}&dc=dc2").status == 200


def test_the_command_line_names_a_datacenter(world: World) -> None:
    assert world.client.run("kv", "put", "-datacenter=dc2", "told", "x").returncode == 0

    assert world.far.run("kv", "get", "told").stdout == b"x\n"


def test_names_of_the_other_datacenter_are_found(world: World) -> None:
    register(world.far, "named", 2001)
    wait_until(lambda: ports(world.far, "/v1/health/service/named") == [2001])

    for door in world.doors:
        for name in ("named.service.dc2.consul", "s2.node.dc2.consul"):
            assert dns_client.records(dns_client.ask(door.dns_port, name, "A"), "A") == [LOOPBACK]
        (target,) = dns_client.records(
            dns_client.ask(door.dns_port, "named.service.dc2.consul", "SRV"), "SRV"
        )
        assert target == "1 1 2001 s2.node.dc2.consul."
        for name in ("named.service.consul", "s2.node.consul", "none.service.dc2.consul"):
            assert dns_client.ask(door.dns_port, name, "A").header.rcode == 3


@pytest.mark.parametrize(
    "failover",
    [{"NearestN": 1}, {"Datacenters": ["dc1", "dc9", "dc2"]}],
    ids=["nearest", "listed"],
)
def test_a_query_without_a_healthy_instance_fails_over(
    world: World, failover: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = f"away-{request.node.callspec.id}"
    register(world.near, name, 1000, TTL="10m", Status="passing")
    register(world.far, name, 2000)
    query = {"Name": name, "Service": {"Service": name, "Failover": failover}, "DNS": {"TTL": "7s"}}
    world.near.put("/v1/query", query)
    world.near.request("POST", "/v1/query", query)
    path = f"/v1/query/{name}/execute"
    wait_until(lambda: ports(world.far, f"/v1/health/service/{name}") == [2000])
    wait_until(lambda: found(world.client, path) == ("dc1", 0, [1000]), what="found here")

    world.near.put_ok(f"/v1/agent/check/fail/service:{name}")

    for door in world.doors:
        wait_until(lambda door=door: found(door, path) == ("dc2", 1, [2000]), what="failed over")
        assert found(door, f"{path}?dc=dc1&stale") == ("dc2", 1, [2000])
        assert door.get(f"{path}?dc=dc2").status == 404
        answer = dns_client.ask(door.dns_port, f"{name}.query.consul", "SRV")
        assert dns_client.records(answer, "SRV") == ["1 1 2000 s2.node.dc2.consul."]
        assert answer.rr[0].ttl == 7


def found(agent: AgentProcess, path: str) -> tuple[str, int, list[int]]:
    """What a query found: where, after how many tries, and the instances' ports."""
    answer = agent.get(path).json
    instances = sorted(row["Service"]["Port"] for row in answer["Nodes"])
    return answer["Datacenter"], answer["Failovers"], instances


def test_a_datacenter_without_server_is_told_at_once_and_works_again_when_it_is_back(
    start_agent: AgentStarter,
) -> None:
    own = ("-node=s2", "-datacenter=dc2", QUICK_WAN)
    kept = lasting_server(start_agent.directory / "s2")
    world = open_world(start_agent, start_agent(*own, *kept, dev=False))
    world.near.put_ok("/v1/kv/kept?dc=dc2", "x")
    # A crash loses what gossip learnt in the last half second.
    snapshot = start_agent.directory / "s2" / "serf" / "remote.snapshot"
    wait_until(lambda: snapshot.exists() and "alive: s1.dc1 " in snapshot.read_text())

    world.far.kill()

    for door in world.doors:  # before gossip knows it, and after
        refused(door)
    wait_wan(world.near, {"s1.dc1": "alive", "s2.dc2": "failed"})
    for door in world.doors:
        refused(door)

    world.far.restart()
    wait_wan(world.near, BOTH_ALIVE)
    for door in world.doors:
        wait_until(
            lambda door=door: door.get("/v1/kv/kept?dc=dc2").status == 200,
            timeout_s=SERVED_WAIT_S,
            what="served again",
        )


def refused(door: AgentProcess) -> None:
    """Reads, writes and names of dc2 are refused, soon and clearly."""
    for answer in (door.get("/v1/kv/kept?dc=dc2"), door.put("/v1/kv/kept?dc=dc2", "y")):
        assert answer.status == 500
        assert answer.text.endswith(UNREACHABLE)
        assert answer.elapsed_s < REFUSAL_WAIT_S
    assert dns_client.ask(door.dns_port, "consul.service.dc2.consul", "A").header.rcode == 2


def test_a_datacenter_of_several_servers_answers_without_its_leader(
    start_agent: AgentStarter,
) -> None:
    near = datacenter(start_agent, 1, "-node=near")
    servers = loopback_servers(start_agent, 3, "-datacenter=dc2", QUICK_WAN)
    servers.start()
    leader = servers.wait_leader()
    # Of a datacenter one is joined, the others follow.
    servers[leader].put_ok(f"/v1/agent/join/{wan_address(near)}?wan=1")
    names = {"near.dc1", "s1.dc2", "s2.dc2", "s3.dc2"}
    for server in (near, *servers.agents.values()):
        wait_wan(server, dict.fromkeys(names, "alive"))
    for name in servers:
        assert servers[name].put_ok(f"/v1/kv/from-{name}?dc=dc1", "x").json is True
    near.put_ok("/v1/kv/before?dc=dc2", "x")

    servers[leader].kill()

    # Which server is asked is not known; each waits until there is a leader.
    assert near.put_ok("/v1/kv/after?dc=dc2", "x").json is True
    assert near.get("/v1/kv/after?dc=dc2").status == 200
    assert near.get("/v1/kv/before?dc=dc2&consistent").status == 200
    for name in servers:
        assert near.get(f"/v1/kv/from-{name}").status == 200


def test_a_failed_server_is_put_into_the_left_state_by_its_full_name(
    start_agent: AgentStarter,
) -> None:
    near, far = (datacenter(start_agent, number) for number in (1, 2))
    far.put_ok(f"/v1/agent/join/{wan_address(near)}?wan=1")
    wait_wan(near, BOTH_ALIVE)
    far.kill()
    wait_wan(near, {"s1.dc1": "alive", "s2.dc2": "failed"})

    done = near.run("force-leave", "-wan", "s2.dc2")

    assert done.returncode == 0, done
    wait_wan(near, {"s1.dc1": "alive", "s2.dc2": "left"})
    answer = near.get("/v1/kv/a?dc=dc2")
    assert (answer.status, answer.text) == (500, "No path to datacenter")
    assert near.get("/v1/catalog/datacenters").json == ["dc1"]
