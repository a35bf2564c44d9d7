"""Two datacenters of real processes: their servers meet on the WAN, their clients do not."""

import base64
import signal
from collections.abc import Callable

import pytest

from tests.system.agent_process import (
    LOOPBACK,
    PORT_NAMES,
    AgentProcess,
    AgentStarter,
    free_ports,
    wait_until,
)
from tests.system.cluster import (
    CHANGE_WAIT_S,
    Cluster,
    client_options,
    lasting_server,
    member_status,
    put_leave,
    run_leave,
    spawn,
    wait_logged,
)
from tests.system.wan import (
    BOTH_ALIVE,
    QUICK_WAN,
    datacenter,
    joined,
    wait_wan,
    wan_address,
    wan_members,
    wan_status,
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

KEY = base64.b64encode(b"w" * 16).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()
# Some probes of 100 ms measure a coordinate.
LISTED_WAIT_S = 5.0


def table(agent: AgentProcess, *words: str) -> list[list[str]]:
    """The cells of what a command prints."""
    done = agent.run(*words)
    assert done.returncode == 0, done
    return [line.split() for line in done.stdout.decode().splitlines()]


def own_datacenter(agent: AgentProcess) -> str:
    name: str = agent.get("/v1/agent/self").json["Config"]["Datacenter"]
    return name


def test_join_by_command_shows_both_servers_to_both(start_agent: AgentStarter) -> None:
    near, far = (datacenter(start_agent, number) for number in (1, 2))

    done = near.run("join", "-wan", wan_address(far))

    assert (done.returncode, done.stdout) == (
        0,
        b"Successfully joined cluster by contacting 1 nodes.\n",
    )
    for server in (near, far):
        wait_wan(server, BOTH_ALIVE)
        head, *rows = table(server, "members", "-wan")
        assert head == ["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"]
        assert rows == [
            [f"s{n}.dc{n}", wan_address(each), "alive", "server", "1.9.8", "2", f"dc{n}", "<all>"]
            for n, each in ((1, near), (2, far))
        ]
    assert [row[0] for row in table(far, "members", "-wan", "-status=alive")[1:]] == [*BOTH_ALIVE]
    assert far.run("members", "-wan", "-status=failed").returncode == 2
    assert (member_status(near), member_status(far)) == ({"s1": "alive"}, {"s2": "alive"})


def test_wan_members_say_what_surface_asks_of_servers(start_agent: AgentStarter) -> None:
    near, far = joined(start_agent)

    member = next(each for each in wan_members(near) if each["Name"] == "s2.dc2")

    assert (member["Addr"], member["Port"]) == (LOOPBACK, far.ports["serf-wan"])
    tags = member["Tags"]
    assert (tags["role"], tags["dc"], tags["port"]) == ("consul", "dc2", str(far.ports["server"]))
    assert "wan_join_port" not in tags
    assert tags["id"] == far.get("/v1/agent/self").json["Config"]["NodeID"]


def test_a_client_is_no_member_of_the_wan_and_may_not_join(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1", "-datacenter=dc1")
    client = cluster.client("c1", "-datacenter=dc1")
    far = datacenter(start_agent, 2)
    far.put_ok(f"/v1/agent/join/{wan_address(cluster.server)}?wan=1")

    refused = client.put(f"/v1/agent/join/{wan_address(far)}?wan=1")
    by_command = client.run("join", "-wan", wan_address(far))

    for server in (cluster.server, far):
        wait_wan(server, BOTH_ALIVE)
    assert wan_members(client) == []
    assert client.run("members", "-wan").returncode == 2
    assert (refused.status, by_command.returncode) == (500, 1)
    assert "Must be a server to join WAN cluster" in refused.text
    assert member_status(client) == {"s1": "alive", "c1": "alive"}


def test_a_lan_address_of_another_datacenter_is_refused(start_agent: AgentStarter) -> None:
    near, far = (datacenter(start_agent, number) for number in (1, 2))
    wrong_pool = f"{LOOPBACK}:{far.ports['serf-lan']}"

    refused = near.put(f"/v1/agent/join/{wrong_pool}")

    assert refused.status == 500
    assert "part of wrong datacenter" in refused.text
    assert member_status(near) == {"s1": "alive"}


@pytest.mark.parametrize("leave", [run_leave, put_leave])
def test_a_server_that_leaves_is_seen_as_left(
    start_agent: AgentStarter, leave: Callable[[AgentProcess], None]
) -> None:
    near, far = joined(start_agent)

    leave(far)

    wait_wan(near, {"s1.dc1": "alive", "s2.dc2": "left"})
    assert table(near, "members", "-wan")[2][2] == "left"


def test_a_killed_server_is_seen_as_failed_and_returns_by_itself(
    start_agent: AgentStarter,
) -> None:
    near, kept = datacenter(start_agent, 1), start_agent.directory / "s2"
    own = ("-node=s2", "-datacenter=dc2", QUICK_WAN, *lasting_server(kept))
    far = start_agent(*own, dev=False)
    near.put_ok(f"/v1/agent/join/{wan_address(far)}?wan=1")
    wait_wan(far, BOTH_ALIVE)
    # A crash loses what was learnt in the last half second.
    snapshot = kept / "serf" / "remote.snapshot"
    wait_until(lambda: snapshot.exists() and "alive: s1.dc1 " in snapshot.read_text())

    far.kill()
    wait_wan(near, {"s1.dc1": "alive", "s2.dc2": "failed"})
    far.restart()

    for server in (near, far):
        wait_wan(server, BOTH_ALIVE)


def test_a_configured_server_joins_once_the_other_is_there(start_agent: AgentStarter) -> None:
    ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
    retry = f'-hcl=retry_join_wan = ["{LOOPBACK}:{ports["serf-wan"]}"] retry_interval_wan = "200ms"'
    near = datacenter(start_agent, 1, retry)
    wait_logged(near, "join failed, will retry")

    far = spawn(start_agent.make("-dev", "-node=s2", "-datacenter=dc2", dev=False), ports)

    for server in (near, far):
        wait_until(server.is_ready, timeout_s=CHANGE_WAIT_S)
        wait_wan(server, BOTH_ALIVE)


def test_a_client_is_told_that_its_wan_addresses_are_not_used(start_agent: AgentStarter) -> None:
    own = client_options("c1", start_agent.directory / "c1")

    client = spawn(start_agent.make(*own, f"-retry-join-wan={LOOPBACK}:1", dev=False))

    wait_logged(client, "start_join_wan and retry_join_wan are for servers only and not used")
    wait_logged(client, "agent running")


def test_the_keys_of_all_pools_are_listed_and_changed(start_agent: AgentStarter) -> None:
    near, far = joined(start_agent, f"-encrypt={KEY}")

    listed = near.run("keyring", "-list").stdout.decode()
    for flag, key in (("install", OTHER_KEY), ("use", OTHER_KEY)):
        assert near.run("keyring", f"-{flag}={key}").returncode == 0

    assert f"WAN:\n  {KEY} [2/2]\n" in listed
    for number in (1, 2):
        assert f"dc{number} (LAN):\n  {KEY} [1/1]\n" in listed
    for server in (near, far):
        pools = server.get("/v1/operator/keyring").json
        assert sorted((pool["WAN"], pool["Datacenter"]) for pool in pools) == [
            (False, "dc1"),
            (False, "dc2"),
            (True, own_datacenter(server)),
        ]
        for pool in pools:
            count = pool["NumNodes"]
            assert count == (2 if pool["WAN"] else 1)
            assert pool["Keys"] == {KEY: count, OTHER_KEY: count}
            assert pool["PrimaryKeys"] == {OTHER_KEY: count}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "Remote state is encrypted and encryption is not configured"),
        ((f"-encrypt={OTHER_KEY}",), "No installed keys could decrypt the message"),
    ],
    ids=["no key", "another key"],
)
def test_a_server_without_the_key_is_refused_with_the_reason(
    start_agent: AgentStarter, options: tuple[str, ...], reason: str
) -> None:
    near = datacenter(start_agent, 1, f"-encrypt={KEY}")
    far = datacenter(start_agent, 2, *options)

    refused = far.put(f"/v1/agent/join/{wan_address(near)}?wan=1")

    assert refused.status == 500
    assert reason.lower() in refused.text.lower()
    assert (wan_status(near), wan_status(far)) == ({"s1.dc1": "alive"}, {"s2.dc2": "alive"})


def test_a_server_that_stands_still_fails_and_is_alive_again(start_agent: AgentStarter) -> None:
    near, far = joined(start_agent)
    assert far.process is not None

    far.process.send_signal(signal.SIGSTOP)
    try:
        wait_wan(near, {"s1.dc1": "alive", "s2.dc2": "failed"})
    finally:
        far.process.send_signal(signal.SIGCONT)

    for server in (near, far):
        wait_wan(server, BOTH_ALIVE)


def test_datacenters_are_listed_near_ones_first(start_agent: AgentStarter) -> None:
    cluster = Cluster(start_agent, "-node=s1", "-datacenter=dc1")
    near, far = cluster.server, datacenter(start_agent, 2)
    client = cluster.client("c1", "-datacenter=dc1")
    far.put_ok(f"/v1/agent/join/{wan_address(near)}?wan=1")

    own_first = ["dc1", "dc2"]
    for server, expected in ((near, own_first), (client, own_first), (far, own_first[::-1])):
        wait_until(
            lambda server=server, expected=expected: (
                server.get("/v1/catalog/datacenters").json == expected
            ),
            timeout_s=LISTED_WAIT_S,
            what=f"datacenters {expected}",
        )
        assert table(server, "catalog", "datacenters") == [[name] for name in expected]


def test_coordinates_of_both_datacenters_are_shown(start_agent: AgentStarter) -> None:
    near, far = joined(start_agent)

    for server in (near, far):
        wait_until(
            lambda server=server: (
                {
                    (each["Datacenter"], each["AreaID"], row["Node"])
                    for each in server.get("/v1/coordinate/datacenters").json
                    for row in each["Coordinates"]
                }
                == {("dc1", "wan", "s1"), ("dc2", "wan", "s2")}
            ),
            timeout_s=LISTED_WAIT_S,
            what="coordinates of both",
        )
    told = near.run("rtt", "-wan", "s1.dc1", "s2.dc2").stdout.decode()
    assert told.startswith("Estimated s1.dc1 <-> s2.dc2 rtt: "), told
