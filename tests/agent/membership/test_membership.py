"""Memberships that talk to each other over loopback."""

import asyncio
import base64

import pytest

from agent.config.addresses import Listen
from agent.membership.events import UserEvent
from agent.version import COMPATIBLE, REVISION
from catalog.errors import CatalogError, Invalid
from catalog.rows.node import Coord
from catalog.rows.service import NodeService
from gossip.core import config as profiles
from gossip.core.effects import Change
from tests.agent.membership.agents import (
    AnAgent,
    make_client_config,
    make_config,
    running,
    until,
)

ALIVE, LEFT, FAILED = 1, 3, 4
KEY = base64.b64encode(bytes(32)).decode()


def event(name: str = "deploy", number: int = 1, **fields) -> UserEvent:
    return UserEvent(id=f"00000000-0000-0000-0000-{number:012x}", name=name, **fields)


def test_before_the_start_an_agent_is_its_only_member():
    agent = AnAgent(make_config())

    (member,) = agent.membership.members(wide=False)

    expected = {
        "acls": "0",
        "bootstrap": "1",
        "build": f"{COMPATIBLE}:{REVISION}",
        "dc": "dc1",
        "ft_fs": "1",
        "ft_si": "1",
        "id": agent.node_id,
        "port": "8300",
        "raft_vsn": "3",
        "role": "consul",
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }
    assert (expected, ALIVE) == (member["Tags"], member["Status"])
    assert member == agent.membership.member()


async def test_a_member_is_shown_with_its_address_versions_and_wan_port():
    agent = AnAgent(make_config())
    async with running(agent):
        (member,) = agent.membership.members(wide=False)
        (wide,) = agent.membership.members(wide=True)

        wan_port = agent.membership.address(wide=True).partition(":")[2]
        assert f"{member['Addr']}:{member['Port']}" == agent.membership.address()
        assert wan_port == member["Tags"]["wan_join_port"]
        assert "wan_join_port" not in wide["Tags"]
        assert ("node-a", "node-a.dc1") == (member["Name"], wide["Name"])
        versions = {k: v for k, v in member.items() if k.startswith(("Protocol", "Delegate"))}
        assert versions == {
            "ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2,
            "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
        }  # fmt: skip


async def test_two_servers_and_a_client_find_each_other():
    agents = [
        AnAgent(make_config("a")),
        AnAgent(make_config("b")),
        AnAgent(make_client_config("c")),
    ]
    async with running(*agents):
        client = agents[2].membership

        assert {"a": ALIVE, "b": ALIVE, "c": ALIVE} == agents[0].statuses()
        assert {"a.dc1": ALIVE, "b.dc1": ALIVE} == agents[1].statuses(wide=True)
        assert {} == agents[2].statuses(wide=True)
        assert client.node_count == 3
        assert {("a", 8300, True), ("b", 8300, True)} == {
            (server.name, server.port, server.healthy) for server in client.servers.servers()
        }
        assert {"members": "3", "failed": "0", "left": "0", "health_score": "0"}.items() <= (
            client.stats(wide=False).items()
        )
        assert client.stats(wide=True) == {}


async def test_subscribers_hear_of_members_until_they_cancel():
    heard: list[tuple[Change, str]] = []
    agents = [AnAgent(make_config("a")), AnAgent(make_client_config("c"))]
    cancel = agents[0].membership.subscribe(
        lambda change, members: heard.extend((change, member.name) for member in members)
    )
    async with running(*agents):
        cancel()

        assert [(Change.JOIN, "a"), (Change.JOIN, "c")] == heard


async def test_who_leaves_is_left_and_who_is_killed_failed(monkeypatch):
    monkeypatch.setitem(profiles._CONSUL, "leave_propagate_s", 0.2)
    agents = [
        AnAgent(make_config("a")),
        AnAgent(make_client_config("b")),
        AnAgent(make_config("c")),
    ]
    changes: list[None] = []
    async with running(*agents):
        first = agents[0].membership
        first.servers.subscribe(lambda: changes.append(None))
        await agents[1].membership.leave()
        await agents[2].membership.shutdown()

        await until(lambda: {"a": ALIVE, "b": LEFT, "c": FAILED} == agents[0].statuses())
        assert {("a", True), ("c", False)} == {
            (server.name, server.healthy) for server in first.servers.servers()
        }
        assert changes

        await first.force_leave("c", prune=False)
        await until(lambda: LEFT == agents[0].statuses()["c"])
        await until(lambda: LEFT == agents[0].statuses(wide=True)["c.dc1"])
        assert {"a"} == {server.name for server in first.servers.servers()}


async def test_an_unknown_name_cannot_be_forced_to_leave():
    agent = AnAgent(make_config())
    async with running(agent):
        for wide in (False, True):
            with pytest.raises(CatalogError, match=r"^agent: No node found with name 'x'$"):
                await agent.membership.force_leave("x", prune=False, wide=wide)


@pytest.mark.parametrize("address", ["", "127.0.0.1:1", "no-such-host.invalid"])
async def test_a_join_that_fails_says_what_and_why(address):
    agent = AnAgent(make_config())
    async with running(agent):
        with pytest.raises(CatalogError, match="Failed to") as caught:
            await agent.membership.join([address], wide=False)

        assert str(caught.value).startswith("1 error occurred:\n\t* Failed to ")
        assert address.partition(":")[0] in str(caught.value)


async def test_a_join_counts_who_answered():
    agents = [AnAgent(make_config("a")), AnAgent(make_config("b"))]
    async with running(*agents):
        here = agents[0].membership.address()

        assert 1 == await agents[1].membership.join([here, "127.0.0.1:1"], wide=False)


async def test_a_client_has_no_address_between_datacenters_and_forces_leaves_on_the_lan():
    agents = [AnAgent(make_client_config("c")), AnAgent(make_client_config("d"))]
    async with running(*agents):
        assert agents[0].membership.address(wide=True) == ""
        await agents[1].membership.shutdown()
        await until(lambda: FAILED == agents[0].statuses()["d"])
        await agents[0].membership.force_leave("d", prune=True)
        await until(lambda: {"c"} == agents[0].statuses().keys())


async def test_an_address_of_the_sixth_version_stands_in_brackets():
    place = Listen("tcp", "::1", 0)
    agent = AnAgent(make_config(serf_lan_addr=place, serf_lan_advertise=place))

    assert agent.membership.address() == "[::1]:0"


async def test_a_client_cannot_join_between_datacenters():
    agent = AnAgent(make_client_config("c"))
    async with running(agent):
        with pytest.raises(CatalogError, match="Must be a server to join WAN cluster"):
            await agent.membership.join(["127.0.0.1"], wide=True)


async def test_another_datacenter_is_refused():
    one = AnAgent(make_config("a"))
    other = AnAgent(make_config("b", "-datacenter=dc2"))
    async with running(one):
        try:
            await other.membership.start()
            with pytest.raises(CatalogError, match="part of wrong datacenter 'dc2'"):
                await other.membership.join([one.membership.address()], wide=False)
            assert 1 == await other.membership.join([one.membership.address(wide=True)], wide=True)
            await until(lambda: {"a.dc1": 1, "b.dc2": 1} == one.statuses(wide=True))
        finally:
            await other.stop()


# Events.


async def test_an_event_reaches_everybody_it_concerns_once():
    web = (NodeService(id="web-1", service="web"),)
    agents = [
        AnAgent(make_config("a")),
        AnAgent(make_client_config("b"), services=web),
        AnAgent(make_client_config("c")),
    ]
    async with running(*agents):
        agents[0].membership.fire_event(event(payload=b"now", service_filter="web"))
        agents[0].membership.fire_event(event("all", 2))
        await until(lambda: all(agent.ring.list("all") for agent in agents))

        (received,) = agents[1].ring.list("deploy")
        assert (b"now", "web", 1) == (received.payload, received.service_filter, received.l_time)
        assert [] == agents[0].ring.list("deploy") + agents[2].ring.list("deploy")
        assert [1, 1, 1] == [len(agent.ring.list("all")) for agent in agents]
        assert agents[2].ring.lamport_time == 2


async def test_an_event_that_does_not_fit_is_refused():
    agent = AnAgent(make_config())
    async with running(agent):
        with pytest.raises(Invalid, match="exceeds configured limit of 512 bytes"):
            agent.membership.fire_event(event(payload=b"x" * 460))
        agent.membership.fire_event(event(payload=b"x" * 350))
        await until(lambda: agent.ring.list("deploy"))


async def test_an_event_before_the_start_is_dropped():
    agent = AnAgent(make_config())

    agent.membership.fire_event(event())
    await asyncio.sleep(0)
    await agent.stop()

    assert [] == agent.ring.list("")


async def test_what_others_tell_each_other_is_no_user_event():
    agent = AnAgent(make_config())
    async with running(agent):
        await agent.membership._lan.gossip.user_event("backup", b"")
        agent.membership.fire_event(event())
        await until(lambda: agent.ring.list(""))

        assert ["deploy"] == [kept.name for kept in agent.ring.list("")]


async def test_a_new_leader_is_no_user_event():
    agent = AnAgent(make_config())
    async with running(agent):
        agent.membership.announce_leader()
        agent.membership.fire_event(event())
        await until(lambda: agent.ring.list(""))

        assert ["deploy"] == [kept.name for kept in agent.ring.list("")]


# What is kept, and what is measured.


async def test_a_restarted_agent_finds_its_cluster_again(tmp_path):
    snapshot = tmp_path / "serf/local.snapshot"
    agents = [AnAgent(make_config("a")), AnAgent(make_client_config("b"), data_dir=tmp_path)]
    async with running(*agents):
        await until(lambda: snapshot.exists() and "alive: a " in snapshot.read_text())
        await agents[1].stop()

        again = AnAgent(make_client_config("b"), data_dir=tmp_path)
        await again.membership.start()
        await until(lambda: "a" in again.statuses())
        await again.stop()


async def test_keys_are_kept_in_the_data_directory_unless_told_not_to(tmp_path):
    config = make_config(encrypt=KEY, disable_keyring_file=False)
    for kept, directory in ((True, tmp_path / "1"), (False, tmp_path / "2")):
        agent = AnAgent(make_config(encrypt=KEY, disable_keyring_file=not kept), data_dir=directory)
        directory.mkdir()
        async with running(agent):
            paths = [directory / "serf" / name for name in ("local.keyring", "remote.keyring")]
            assert [kept, kept] == [path.exists() for path in paths]
    again = AnAgent(config, data_dir=tmp_path / "1")
    (tmp_path / "1/serf/local.keyring").write_text("[]")
    with pytest.raises(CatalogError, match="gossip \\(lan\\) cannot start: keyring"):
        await again.membership.start()
    await again.stop()


async def test_coordinates_are_learnt_of_others():
    agents = [AnAgent(make_config("a")), AnAgent(make_client_config("b"))]
    async with running(*agents):
        first = agents[0].membership
        await until(lambda: {"a", "b"} == first.coordinates_of(wide=False).keys())

        assert first.coordinate != Coord()
        assert {"a.dc1"} == first.coordinates_of(wide=True).keys()
        assert {} == agents[1].membership.coordinates_of(wide=True)


async def test_servers_know_the_datacenters_and_coordinates_of_each_other():
    near, far = AnAgent(make_config("a")), AnAgent(make_config("b", datacenter="dc2"))
    client = AnAgent(make_client_config("c"))
    async with running(near, client), running(far):
        await far.membership.join([near.membership.address(wide=True)], wide=True)
        found = near.membership.coordinates_by_datacenter
        await until(lambda: {"dc1", "dc2"} == found().keys())

        assert (["a"], ["b"]) == (list(found()["dc1"]), list(found()["dc2"]))
        assert ("dc1", "dc2") == near.membership.datacenters()
        await until(lambda: ("dc2", "dc1") == far.membership.datacenters())
        assert ("dc1",) == client.membership.datacenters()
        assert {} == client.membership.coordinates_by_datacenter()


async def test_after_the_end_the_last_members_are_shown():
    agents = [AnAgent(make_config("a")), AnAgent(make_client_config("b"))]
    async with running(*agents):
        pass

    assert {"a", "b"} == agents[1].statuses().keys()
    await agents[1].membership.leave()
