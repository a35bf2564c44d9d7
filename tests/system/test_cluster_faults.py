"""A cluster under trouble: agents that stand still or die together, junk, loss, a cut cable."""

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, wait_until
from tests.system.cluster import (
    CHANGE_WAIT_S,
    QUICK_GOSSIP,
    Cluster,
    instances,
    member_status,
    node_status,
)
from tests.system.network import HOSTS, HostedAgent, Network, two_hosts

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

# Enough to find a leak of a few KiB per piece of junk; 64 MiB would be as much again as an agent.
JUNK_COUNT = 400
JUNK_BYTES_MAX = 1400
FLOOD_PACKETS_PER_S = 10_000
FLOOD_S = 10.0
MEMORY_GROWTH_BYTES_MAX = 24 * 1024 * 1024
# The hold time of 7 s, and the last dial of 3 s that begins in it; the rest is the machine's.
OUTAGE_ANSWER_S_MAX = 13.0
# An open connection that goes mute is ended by its keepalive after 30 s, then the hold time.
MUTE_ANSWER_S_MAX = 50.0
# Time enough between the end of a probe by UDP and the end of its round for the one by TCP.
PATIENT_GOSSIP = (
    '-hcl=gossip_lan { gossip_interval = "100ms" probe_interval = "500ms" probe_timeout = "100ms" }'
)
# With probes each 100 ms a false accusation is a failure after some 300 ms; this is many of them.
WATCHED_S = 6.0


@contextlib.contextmanager
def standing_still(agent: AgentProcess) -> Iterator[None]:
    """Stop the process, as a paused virtual machine is; it goes on after the block."""
    assert agent.process is not None, "not running"
    agent.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        agent.process.send_signal(signal.SIGCONT)


def test_a_client_that_stood_still_heals_and_keeps_its_sessions_without_checks(
    start_agent: AgentStarter,
) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    slow, other = cluster.client("c1"), cluster.client("c2")
    slow.put_ok("/v1/agent/service/register", {"Name": "web", "Port": 80})
    unchecked = slow.put_ok("/v1/session/create", {"Checks": []}).json["ID"]
    checked = slow.put_ok("/v1/session/create").json["ID"]
    wait_until(lambda: instances(other, "web") == [("c1", 80)])

    with standing_still(slow):
        cluster.wait_node("c1", "critical", via=[cluster.server, other])
        hidden = instances(other, "web")

    cluster.wait_node("c1", "passing")
    wait_until(lambda: set(member_status(slow).values()) == {"alive"}, timeout_s=CHANGE_WAIT_S)
    assert hidden == []
    assert instances(other, "web") == [("c1", 80)]
    assert [row["ID"] for row in slow.get(f"/v1/session/info/{unchecked}").json] == [unchecked]
    assert slow.get(f"/v1/session/info/{checked}").json == []


def test_half_of_the_clients_restarted_at_once_are_back(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    clients = [cluster.client(f"c{number}") for number in range(4)]
    for number, client in enumerate(clients):
        client.put_ok("/v1/agent/service/register", {"Name": "web", "Port": 8000 + number})
    all_of_them = [(f"c{number}", 8000 + number) for number in range(4)]
    wait_until(lambda: instances(cluster.server, "web") == all_of_them)

    for client in clients[:2]:
        client.kill()
    for client in clients[:2]:
        client.spawn()

    for client in clients:
        wait_until(client.is_ready, timeout_s=CHANGE_WAIT_S)
        wait_until(
            lambda client=client: instances(client, "web") == all_of_them, timeout_s=CHANGE_WAIT_S
        )
    # Who was away for less than the suspicion time may be called failed a moment after the return.
    for client in clients:
        wait_until(
            lambda client=client: set(member_status(client).values()) == {"alive"},
            timeout_s=CHANGE_WAIT_S,
        )


def junk(rng: Random) -> bytes:
    """Random bytes, often behind a beginning that a parser goes on after."""
    heads = (b"", b"\x00", b"\x03", b"\x06\x82", b"\x07\xff", b"\x08\x01", b"\x0c", b"\xf4\x04lan")
    return rng.choice(heads) + rng.randbytes(rng.randrange(JUNK_BYTES_MAX))


def send_stream(port: int, content: bytes) -> None:
    """Send over TCP and leave; whether the peer closes first does not matter."""
    with contextlib.suppress(ConnectionError), socket.socket() as stream:
        stream.settimeout(5)
        stream.connect((LOOPBACK, port))
        stream.sendall(content)


def test_junk_on_the_ports_between_agents_harms_nobody(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    client = cluster.client("c1")
    rng = Random(1)  # the same junk each time
    before = [agent.resident_bytes() for agent in cluster.agents]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for _ in range(JUNK_COUNT):
            for agent in cluster.agents:
                datagrams.sendto(junk(rng), (LOOPBACK, agent.ports["serf-lan"]))
                send_stream(agent.ports["serf-lan"], junk(rng))
            send_stream(cluster.server.ports["server"], junk(rng))

    client.put_ok("/v1/kv/alive", "1")
    for agent, bytes_before in zip(cluster.agents, before, strict=True):
        assert member_status(agent) == {"s1": "alive", "c1": "alive"}
        assert node_status(agent, "c1") == "passing"
        assert agent.get("/v1/kv/alive?raw").text == "1"
        assert agent.resident_bytes() - bytes_before < MEMORY_GROWTH_BYTES_MAX
        assert b"Traceback" not in agent.log_path.read_bytes()
    cluster.client("c2")


def flood(ports: list[int]) -> int:
    """Send junk to the ports at a steady rate; how many packets that were."""
    rng = Random(2)
    packets = [junk(rng) for _ in range(FLOOD_PACKETS_PER_S)]
    begins_s = time.monotonic()
    sent_count = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        while (passed_s := time.monotonic() - begins_s) < FLOOD_S:
            while sent_count < passed_s * FLOOD_PACKETS_PER_S:
                packet = packets[sent_count % len(packets)]
                datagrams.sendto(packet, (LOOPBACK, ports[sent_count % len(ports)]))
                sent_count += 1
            time.sleep(0.005)
    return sent_count


def test_a_flood_of_junk_harms_nobody(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1")
    client = cluster.client("c1")
    before = [agent.resident_bytes() for agent in cluster.agents]

    sent_count = flood([agent.ports["serf-lan"] for agent in cluster.agents])

    assert sent_count > 0.9 * FLOOD_S * FLOOD_PACKETS_PER_S, "the machine was too slow for a flood"
    for agent, bytes_before in zip(cluster.agents, before, strict=True):
        wait_until(lambda agent=agent: member_status(agent) == {"s1": "alive", "c1": "alive"})
        wait_until(lambda agent=agent: node_status(agent, "c1") == "passing")
        assert agent.resident_bytes() - bytes_before < MEMORY_GROWTH_BYTES_MAX
        assert b"Traceback" not in agent.log_path.read_bytes()
    client.put_ok("/v1/kv/alive", "1")
    assert cluster.server.get("/v1/kv/alive?raw").text == "1"


@pytest.fixture
def network() -> Iterator[Network]:
    with two_hosts() as network:
        yield network


def three_on_two_hosts(
    start_agent: AgentStarter, network: Network, *, gossip: str = QUICK_GOSSIP
) -> tuple[HostedAgent, HostedAgent, HostedAgent]:
    """The server s1 and the client c1 on host a, the client c2 on host b."""
    below = start_agent.directory
    server = HostedAgent(network, "a", below / "s1", "-dev", "-node=s1", gossip)
    start_agent.processes.append(server)
    server.start()
    joined = f"-retry-join={HOSTS['a']}:{server.ports['serf-lan']}"
    clients: list[HostedAgent] = []
    for name, host in (("c1", "a"), ("c2", "b")):
        own = (f"-node={name}", f"-data-dir={below / f'{name}-kept'}")
        client = HostedAgent(network, host, below / name, *own, joined, gossip)
        start_agent.processes.append(client)
        clients.append(client)
        client.start()
    near, far = clients
    for agent in (server, near, far):
        wait_until(
            lambda agent=agent: list(member_status(agent).values()) == ["alive"] * 3,
            timeout_s=CHANGE_WAIT_S,
        )
    return server, near, far


def statuses_seen(*views: tuple[AgentProcess, str]) -> set[str]:
    """The statuses that the agents see of the members named, looked at again and again."""
    seen: set[str] = set()
    ends_s = time.monotonic() + WATCHED_S
    while time.monotonic() < ends_s:  # what must not happen has no event to wait for
        seen |= {member_status(agent)[name] for agent, name in views}
        time.sleep(0.1)
    return seen


def test_without_udp_nobody_is_called_failed(start_agent: AgentStarter, network: Network) -> None:
    server, near, far = three_on_two_hosts(start_agent, network, gossip=PATIENT_GOSSIP)

    network.lose("udp")

    seen = statuses_seen((server, "c2"), (near, "c2"), (far, "s1"))
    assert far.put("/v1/kv/during", "1").json is True
    assert seen == {"alive"}
    network.find("udp")
    far.put_ok("/v1/event/fire/heard")
    wait_until(lambda: near.get("/v1/event/list?name=heard").json, what="the event")


def test_without_tcp_members_stay_and_requests_fail_in_time(
    start_agent: AgentStarter, network: Network
) -> None:
    server, near, far = three_on_two_hosts(start_agent, network)

    network.lose("tcp")

    assert statuses_seen((server, "c2"), (near, "c2"), (far, "s1")) == {"alive"}
    refused = far.request("PUT", "/v1/kv/lost", "1", timeout_s=MUTE_ANSWER_S_MAX)
    assert refused.status == 500
    far.put_ok("/v1/event/fire/heard")
    wait_until(lambda: near.get("/v1/event/list?name=heard").json, what="the event")
    network.find("tcp")
    wait_until(lambda: far.put("/v1/kv/after", "1").status == 200, timeout_s=CHANGE_WAIT_S)
    assert near.get("/v1/kv/after?raw").text == "1"


def test_an_agent_that_hears_nothing_harms_only_itself(
    start_agent: AgentStarter, network: Network
) -> None:
    server, near, far = three_on_two_hosts(start_agent, network)

    network.deafen()

    seen = statuses_seen((server, "c1"), (near, "s1"))
    far.put_ok("/v1/event/fire/heard")
    wait_until(lambda: server.get("/v1/event/list?name=heard").json, what="what the deaf one says")
    assert seen == {"alive"}
    assert "member-failed: pool=lan member=c1" not in server.log_path.read_text()
    assert "member-failed: pool=lan member=s1" not in near.log_path.read_text()
    wait_until(lambda: member_status(server)["c2"] == "failed", timeout_s=CHANGE_WAIT_S)
    wait_until(lambda: node_status(near, "c2") == "critical", timeout_s=CHANGE_WAIT_S)
    assert node_status(near, "c1") == "passing"


def test_a_cluster_cut_in_two_heals(start_agent: AgentStarter, network: Network) -> None:
    server, near, far = three_on_two_hosts(start_agent, network)
    far.put_ok("/v1/agent/service/register", {"Name": "web", "Port": 80})
    wait_until(lambda: instances(near, "web") == [("c2", 80)], timeout_s=CHANGE_WAIT_S)

    network.cut()

    wait_until(lambda: node_status(near, "c2") == "critical", timeout_s=CHANGE_WAIT_S)
    wait_until(lambda: member_status(far)["s1"] == "failed", timeout_s=CHANGE_WAIT_S)
    assert instances(near, "web") == []
    assert near.put("/v1/kv/during", "1").json is True
    refused = far.put("/v1/kv/lost", "1")
    assert refused.status == 500
    assert "no connection in 3 s" in refused.text
    assert refused.elapsed_s < OUTAGE_ANSWER_S_MAX

    network.heal()

    wait_until(lambda: node_status(near, "c2") == "passing", timeout_s=2 * CHANGE_WAIT_S)
    for agent in (server, near, far):
        wait_until(
            lambda agent=agent: set(member_status(agent).values()) == {"alive"},
            timeout_s=CHANGE_WAIT_S,
        )
    assert far.get("/v1/kv/during?raw").text == "1"
    assert far.put("/v1/kv/after", "1").json is True
    assert instances(far, "web") == [("c2", 80)]
