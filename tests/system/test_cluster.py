"""One server and its clients: what is asked of any agent is answered by the cluster."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from typing_extensions import override

from tests.system.agent_process import AgentProcess, AgentStarter, free_ports, wait_until
from tests.system.cluster import (
    CHANGE_WAIT_S,
    Cluster,
    client_options,
    instances,
    is_blocked,
    member_status,
    node_status,
    spawn,
    wait_logged,
)
from tests.system.dns_client import ask, records

pytestmark = pytest.mark.system

TAKES_COMMANDS = "-hcl=disable_remote_exec = false"


class TalkativeStarter(AgentStarter):
    """Its agents report their coordinate often: the interval of 15 to 30 s is no setting."""

    PROGRAM = (
        "from agent.membership import coordinates; coordinates.interval_s = lambda *_: 0.2; "
        "from agent.main import main; main()"
    )

    @override
    def make(self, *arguments: str, dev: bool = True) -> AgentProcess:
        process = super().make(*arguments, dev=dev)
        process.program = (sys.executable, "-c", self.PROGRAM, "agent")
        return process


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server s1 with clients c1 and c2 that the tests share; use names of your own."""
    starter = TalkativeStarter(tmp_path_factory.mktemp("cluster"))
    try:
        shared = Cluster(starter, "-node=s1", TAKES_COMMANDS)
        for name in ("c1", "c2"):
            shared.client(name, TAKES_COMMANDS)
        yield shared
    finally:
        starter.end_all()


def new_session(agent: AgentProcess, **fields: object) -> str:
    answer: str = agent.put_ok("/v1/session/create", fields).json["ID"]
    return answer


def test_a_key_written_at_one_agent_is_read_at_every_other(cluster: Cluster) -> None:
    for writer in cluster.agents:
        writer.put_ok("/v1/kv/shared/key", writer.http_address)

        values = [reader.get("/v1/kv/shared/key?raw").text for reader in cluster.agents]

        assert values == [writer.http_address] * len(cluster.agents)


def test_the_command_line_reads_and_writes_through_a_client(cluster: Cluster) -> None:
    written = cluster.clients["c1"].run("kv", "put", "by/hand", "value")
    read = cluster.clients["c2"].run("kv", "get", "by/hand")

    assert written.stdout == b"Success! Data written to: by/hand\n"
    assert read.stdout == b"value\n"


def test_a_write_at_one_client_wakes_a_blocking_read_at_another(cluster: Cluster) -> None:
    writer, reader = cluster.clients["c1"], cluster.clients["c2"]
    writer.put_ok("/v1/kv/watched", "old")
    index = reader.get("/v1/kv/watched").index

    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(reader.get, f"/v1/kv/watched?raw&index={index}&wait=20s")
        wait_until(lambda: is_blocked(cluster.server), what="a blocking read at the server")
        writer.put_ok("/v1/kv/watched", "new")
        answer = waiting.result()

    assert answer.text == "new"
    assert answer.index > index
    assert answer.elapsed_s < 10


def test_a_lock_held_through_one_client_keeps_the_others_out(cluster: Cluster) -> None:
    first, second = cluster.clients["c1"], cluster.clients["c2"]
    holder, waiter = new_session(first), new_session(second)

    assert first.put(f"/v1/kv/lock?acquire={holder}", "1").json is True
    assert second.put(f"/v1/kv/lock?acquire={waiter}", "2").json is False
    assert second.get(f"/v1/session/info/{holder}").json[0]["Node"] == "c1"
    # Ended at another agent: the lock opens, after no delay because it is asked for.
    assert second.put(f"/v1/kv/lock?release={waiter}").json is False
    assert first.put(f"/v1/kv/lock?release={holder}").json is True
    assert second.put(f"/v1/kv/lock?acquire={waiter}", "2").json is True


def test_a_service_of_one_client_is_found_at_every_agent(cluster: Cluster) -> None:
    service = {"Name": "web", "Port": 8080, "Tags": ["blue"]}
    cluster.clients["c1"].put_ok("/v1/agent/service/register", service)

    for agent in cluster.agents:
        wait_until(lambda agent=agent: instances(agent, "web") == [("c1", 8080)])
        answer = ask(agent.dns_port, "blue.web.service.consul.", "SRV")
        assert records(answer, "SRV") == ["1 1 8080 c1.node.dc1.consul."]
        assert agent.get("/v1/catalog/service/web").json[0]["Node"] == "c1"
    shown = cluster.clients["c2"].run("catalog", "services", "-node=c1").stdout
    assert b"web\n" in shown
    assert "web" not in cluster.clients["c2"].get("/v1/agent/services").json


def test_a_service_without_an_address_is_found_by_its_nodes_address(cluster: Cluster) -> None:
    answer = ask(cluster.clients["c1"].dns_port, "c2.node.consul.", "A")

    assert records(answer, "A") == ["127.0.0.1"]


def test_a_failing_check_hides_its_service_at_every_agent(cluster: Cluster) -> None:
    owner = cluster.clients["c2"]
    check = {"CheckID": "beat", "TTL": "10m", "Status": "passing"}
    owner.put_ok("/v1/agent/service/register", {"Name": "api", "Port": 1, "Check": check})
    for agent in cluster.agents:
        wait_until(lambda agent=agent: instances(agent, "api") == [("c2", 1)])

    owner.put_ok("/v1/agent/check/fail/beat?note=gone")

    for agent in cluster.agents:
        wait_until(lambda agent=agent: instances(agent, "api") == [])
        assert records(ask(agent.dns_port, "api.service.consul.", "SRV"), "SRV") == []
        assert agent.get("/v1/health/checks/api").json[0]["Output"] == "gone"
    owner.put_ok("/v1/agent/check/pass/beat")
    for agent in cluster.agents:
        wait_until(lambda agent=agent: instances(agent, "api") == [("c2", 1)])


def test_maintenance_of_a_client_hides_its_services(cluster: Cluster) -> None:
    owner = cluster.clients["c1"]
    owner.put_ok("/v1/agent/service/register", {"Name": "tended", "Port": 2})
    wait_until(lambda: instances(cluster.server, "tended") == [("c1", 2)])

    owner.put_ok("/v1/agent/maintenance?enable=true&reason=test")
    try:
        for agent in cluster.agents:
            wait_until(lambda agent=agent: instances(agent, "tended") == [])
    finally:
        owner.put_ok("/v1/agent/maintenance?enable=false")
    wait_until(lambda: instances(cluster.server, "tended") == [("c1", 2)])


def test_an_event_fired_anywhere_reaches_every_agent(cluster: Cluster) -> None:
    for number, agent in enumerate(cluster.agents):
        fired = agent.put_ok(f"/v1/event/fire/news-{number}", "payload").json

        for other in cluster.agents:
            path = f"/v1/event/list?name=news-{number}"
            wait_until(lambda other=other, path=path: other.get(path).json)
            assert [event["ID"] for event in other.get(path).json] == [fired["ID"]]


def test_an_event_for_one_node_reaches_that_node_alone(cluster: Cluster) -> None:
    sender, meant, other = cluster.server, cluster.clients["c1"], cluster.clients["c2"]
    sender.put_ok("/v1/event/fire/private?node=^c1$")
    sender.put_ok("/v1/event/fire/public")

    for agent in cluster.agents:
        wait_until(lambda agent=agent: agent.get("/v1/event/list?name=public").json)

    wait_until(lambda: meant.get("/v1/event/list?name=private").json)
    assert other.get("/v1/event/list?name=private").json == []


def test_every_agent_lists_the_same_members(cluster: Cluster) -> None:
    for agent in cluster.agents:
        table = agent.run("members").stdout.decode().splitlines()
        rows = sorted((*row.split()[:1], *row.split()[2:]) for row in table[1:])

        assert member_status(agent) == dict.fromkeys(("s1", "c1", "c2"), "alive")
        assert rows == [
            ("c1", "alive", "client", "1.9.8", "2", "dc1", "<default>"),
            ("c2", "alive", "client", "1.9.8", "2", "dc1", "<default>"),
            ("s1", "alive", "server", "1.9.8", "2", "dc1", "<all>"),
        ]


def test_a_command_runs_on_every_agent(cluster: Cluster) -> None:
    done = cluster.clients["c1"].run("exec", "-wait=2s", "echo hello")

    lines = done.stdout.decode().splitlines()
    said = sorted(line for line in lines if line.endswith(": hello"))
    assert said == ["    c1: hello", "    c2: hello", "    s1: hello"], lines
    assert lines[-1] == "3 / 3 node(s) completed / acknowledged"
    assert done.returncode == 0


def test_coordinates_of_all_agents_are_known_at_each(cluster: Cluster) -> None:
    for agent in cluster.agents:
        wait_until(
            lambda agent=agent: {"s1", "c1", "c2"} <= nodes_with_coordinate(agent),
            timeout_s=CHANGE_WAIT_S,
        )
        told = agent.run("rtt", "c1", "c2").stdout.decode()

        assert told.startswith("Estimated c1 <-> c2 rtt: "), told
        assert told.endswith(" ms (using LAN coordinates)\n"), told


def nodes_with_coordinate(agent: AgentProcess) -> set[str]:
    return {row["Node"] for row in agent.get("/v1/coordinate/nodes").json}


def test_near_an_agent_orders_by_its_own_coordinate(cluster: Cluster) -> None:
    client = cluster.clients["c2"]
    wait_until(lambda: "c2" in nodes_with_coordinate(client), timeout_s=CHANGE_WAIT_S)
    for name, seconds in (("far", 9.0), ("near", 3.0)):
        node = {"Node": name, "Address": "10.0.0.1", "Service": {"Service": "placed"}}
        client.put_ok("/v1/catalog/register", node)
        place = {"Vec": [seconds] + [0.0] * 7, "Error": 1.5, "Adjustment": 0, "Height": 1e-5}
        client.put_ok("/v1/coordinate/update", {"Node": name, "Coord": place})
    wait_until(lambda: {"far", "near"} <= nodes_with_coordinate(client), timeout_s=CHANGE_WAIT_S)

    rows = client.get("/v1/catalog/service/placed?near=_agent").json

    assert [row["Node"] for row in rows] == ["near", "far"]


def test_a_client_that_was_first_joins_when_the_server_appears(start_agent: AgentStarter) -> None:
    server = start_agent.make("-node=s1")
    (port,) = free_ports(1)
    options = client_options("c1", start_agent.directory / "c1")
    join = f"-retry-join=127.0.0.1:{port}"
    client = spawn(start_agent.make(*options, join, "-retry-interval=200ms", dev=False))
    wait_logged(client, "join failed, will retry")
    refused = client.put("/v1/kv/early", "1")

    spawn(server, {"serf-lan": port})

    wait_until(lambda: client.is_ready() and node_status(client, "c1") == "passing")
    assert (refused.status, refused.text) == (500, "No known Consul servers")
    assert client.put("/v1/kv/late", "1").json is True
