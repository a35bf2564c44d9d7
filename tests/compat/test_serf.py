"""A pool of three nodes of ours and three real serf agents, seen from both sides."""

import asyncio
import json
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from gossip.core.effects import Change
from gossip.core.types import Address, NodeFilter, TagFilter
from gossip.errors import JoinError
from gossip.keyring_file import load_keys
from gossip.surroundings import Settings
from tests.compat.serf_peer import Pool, SerfAgent, encoded, mixed_pool
from tests.gossip.nodes import all_alive, make_node, running, until

pytestmark = pytest.mark.compat

KEY = bytes(range(32))
OTHER_KEY = bytes(range(100, 116))


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[Pool]:
    async with mixed_pool(tmp_path) as mixed:
        await mixed.seen_as("alive", *mixed.names)
        yield mixed


@pytest.fixture
async def secret_pool(tmp_path: Path) -> AsyncIterator[Pool]:
    async with mixed_pool(tmp_path, keys=[KEY]) as mixed:
        await mixed.seen_as("alive", *mixed.names)
        yield mixed


def assert_no_complaint(pool: Pool) -> None:
    assert [] == [line for agent in pool.theirs for line in agent.complaints()]


@pytest.mark.parametrize("keys", [(), (KEY,)], ids=["plain", "encrypted"])
@pytest.mark.parametrize("serf_joins", [True, False], ids=["serf joins", "ours joins"])
async def test_all_six_see_six_alive(
    tmp_path: Path, keys: tuple[bytes, ...], serf_joins: bool
) -> None:
    async with mixed_pool(tmp_path, keys=keys, serf_joins=serf_joins) as pool:
        await pool.seen_as("alive", *pool.names)

        shown = await pool.theirs[0].members()
        own = {member.name: member for member in pool.ours[0].gossip.members()}
        assert {name: member["tags"] for name, member in shown.items()} == {
            name: member.tags for name, member in own.items()
        }
        assert {name: member["addr"] for name, member in shown.items()} == {
            node.name: node.place for node in (*pool.ours, *pool.theirs)
        }
        assert_no_complaint(pool)


async def test_pool_without_compression_works_as_well(tmp_path: Path) -> None:
    async with mixed_pool(tmp_path, compression=False) as pool:
        await pool.seen_as("alive", *pool.names)
        await pool.theirs[0].run("event", "plain", "x" * 400)
        for node in pool.ours:
            await until(lambda node=node: bool(node.heard.events), f"{node.name} hears the event")
        assert_no_complaint(pool)


async def test_user_event_from_either_side_reaches_all(pool: Pool) -> None:
    await pool.ours[0].gossip.user_event("from-ours", b"one")
    await pool.theirs[0].run("event", "from-serf", "two")

    expected = {("from-ours", b"one"), ("from-serf", b"two")}
    for node in pool.ours:
        await until(
            lambda node=node: {(e.name, e.payload) for e in node.heard.events} == expected,
            f"{node.name} hears both events",
        )
        assert 2 == len(node.heard.events)
    for agent in pool.theirs:
        for name, _ in expected:
            line = f"messageUserEventType: {name}"
            await until(lambda a=agent, line=line: line in a.log(), f"{agent.name}: {line}")
    assert_no_complaint(pool)


async def test_query_of_ours_is_answered_by_all(pool: Pool) -> None:
    answers = [a async for a in pool.ours[0].gossip.query("who", want_ack=True, timeout_s=2.0)]

    assert pool.names == {a.sender for a in answers if a.payload is None}
    responses = {a.sender: a.payload for a in answers if a.payload is not None}
    assert {name: name.encode() for name in pool.names} == responses


async def test_query_of_serf_is_answered_by_all(pool: Pool) -> None:
    printed = await pool.theirs[0].run("query", "-format=json", "-timeout=2s", "who", "")

    answered = json.loads(printed)
    assert pool.names == set(answered["Acks"])
    assert {name: name for name in pool.names} == answered["Responses"]


async def test_filters_choose_who_answers_on_both_sides(pool: Pool) -> None:
    chosen = ("serf-1", "ours-1")
    asked = pool.ours[0].gossip.query("who", filters=(NodeFilter(chosen),), timeout_s=1.5)
    by_tag = pool.ours[0].gossip.query(
        "who", filters=(TagFilter("side", "^se"),), timeout_s=1.5, relay_factor=2
    )

    assert set(chosen) == {answer.sender async for answer in asked}
    assert {agent.name for agent in pool.theirs} == {answer.sender async for answer in by_tag}
    printed = await pool.theirs[0].run(
        "query", "-format=json", "-timeout=1s", "-relay-factor=2", "-tag=side=ours", "who", ""
    )
    assert {node.name for node in pool.ours} == set(json.loads(printed)["Responses"])


async def test_killed_serf_is_seen_failed_by_all(pool: Pool) -> None:
    victim = pool.theirs[2]

    victim.kill()

    await pool.seen_as("failed", victim.name, but=[victim.name])


async def test_killed_node_of_ours_is_seen_failed_by_all(pool: Pool) -> None:
    victim = pool.ours[2]

    await victim.stop()

    await pool.seen_as("failed", victim.name, but=[victim.name])


async def test_graceful_leaves_are_seen_left_by_all(pool: Pool) -> None:
    node, agent = pool.ours[2], pool.theirs[2]

    await asyncio.gather(node.gossip.leave(), agent.run("leave"))

    gone = [node.name, agent.name]
    await pool.seen_as("left", *gone, but=gone)
    # The goodbye of serf may overtake its own leave intent, which it sends only twice.
    for other in pool.ours[:2]:
        assert (Change.FAILED, node.name) not in other.heard.changes


async def test_forced_leave_of_a_failed_member_spreads_both_ways(pool: Pool) -> None:
    victim = pool.theirs[2]
    victim.kill()
    await pool.seen_as("failed", victim.name, but=[victim.name])

    await pool.ours[0].gossip.force_leave(victim.name)

    await pool.seen_as("left", victim.name, but=[victim.name])


async def test_key_rotation_through_ours_keeps_all_connected(secret_pool: Pool) -> None:
    pool, gossip = secret_pool, secret_pool.ours[0].gossip

    for action, key in [("install", OTHER_KEY), ("use", OTHER_KEY), ("remove", KEY)]:
        answer = await gossip.change_keyring(action, key)
        assert (6, 6, "") == (answer.member_count, answer.response_count, answer.error), action

    listed = await gossip.change_keyring("list")
    assert {encoded(OTHER_KEY): 6} == listed.keys
    await assert_connected_with_other_key(pool)


async def test_key_rotation_through_serf_keeps_all_connected(secret_pool: Pool) -> None:
    pool, agent = secret_pool, secret_pool.theirs[0]

    for option, key in [("-install", OTHER_KEY), ("-use", OTHER_KEY), ("-remove", KEY)]:
        await agent.run("keys", f"{option}={encoded(key)}")

    listed = await agent.run("keys", "-list")
    assert f"{encoded(OTHER_KEY)} [6/6]" in " ".join(listed.split())
    assert encoded(KEY) not in listed
    await assert_connected_with_other_key(pool)


async def assert_connected_with_other_key(pool: Pool) -> None:
    """Everybody has only the other key, in memory and on disk, and an event reaches all."""
    for node in pool.ours:
        assert (OTHER_KEY,) == node.gossip.keys
    for path in [a.keyring_path for a in pool.theirs] + [
        pool.theirs[0].keyring_path.parent.parent / f"{node.name}.keyring" for node in pool.ours
    ]:
        assert (OTHER_KEY,) == load_keys(path)
    await pool.theirs[1].run("event", "rotated", "")
    for node in pool.ours:
        await until(
            lambda node=node: ["rotated"] == [e.name for e in node.heard.events], "event arrives"
        )
    await pool.seen_as("alive", *pool.names)
    assert_no_complaint(pool)


async def test_restarted_members_show_their_new_tags(pool: Pool) -> None:
    """Their incarnations start at 1 again, below what the pool remembers of them."""
    node, agent = pool.ours[0], pool.theirs[0]
    await node.gossip.set_tags({"life": "1"})
    await agent.run("tags", "-set", "life=1")
    address = node.gossip.address
    await node.stop()
    agent.kill()

    again = make_node("ours-0", address=address, tags={"life": "2"})
    pool.ours[0] = again
    await again.gossip.start()
    await agent.start("-tag=life=2")
    assert 1 == await again.gossip.join([pool.theirs[1].place])
    await agent.run("join", pool.ours[1].place)

    async def seen_by_serf() -> bool:
        members = await pool.theirs[1].members()
        return all(members[name]["tags"] == {"life": "2"} for name in ("ours-0", "serf-0"))

    def seen_by_ours() -> bool:
        members = {member.name: member.tags for member in pool.ours[1].gossip.members()}
        return all(members[name] == {"life": "2"} for name in ("ours-0", "serf-0"))

    await until(seen_by_serf, "serf sees the second life")
    await until(seen_by_ours, "ours sees the second life")
    await pool.seen_as("alive", *pool.names)


async def test_intruder_with_our_name_is_outvoted(pool: Pool, tmp_path: Path) -> None:
    intruder = SerfAgent("ours-0", tmp_path / "intruder")
    try:
        await intruder.start(f"-join={pool.theirs[1].place}")

        await until(lambda: "minority in name conflict" in intruder.log(), "it loses the vote")
    finally:
        intruder.end()
    assert not pool.ours[0].heard.stops
    await pool.seen_as("alive", *pool.names)


async def test_changed_tags_are_seen_on_the_other_side(pool: Pool) -> None:
    await asyncio.gather(
        pool.ours[0].gossip.set_tags({"colour": "red"}),
        pool.theirs[0].run("tags", "-set", "colour=blue", "-delete", "side"),
    )

    expected = {"ours-0": {"colour": "red"}, "serf-0": {"colour": "blue"}}

    async def seen_by_serf() -> bool:
        members = await pool.theirs[1].members()
        return all(members[name]["tags"] == tags for name, tags in expected.items())

    def seen_by_ours() -> bool:
        members = {member.name: member.tags for member in pool.ours[1].gossip.members()}
        return all(members[name] == tags for name, tags in expected.items())

    await until(seen_by_serf, "serf sees both changes")
    await until(seen_by_ours, "ours sees both changes")


@pytest.mark.parametrize(
    ("our_keys", "serf_keys", "text"),
    [
        ((), (KEY,), "Remote state is encrypted and encryption is not configured"),
        ((OTHER_KEY,), (KEY,), "No installed keys could decrypt the message"),
        ((KEY,), (), "Encryption is configured but remote state is not encrypted"),
    ],
    ids=["no key", "other key", "plain serf"],
)
async def test_key_mismatch_is_told_to_both_sides(
    tmp_path: Path, our_keys: tuple[bytes, ...], serf_keys: tuple[bytes, ...], text: str
) -> None:
    node = make_node("ours", keys=our_keys)
    agent = SerfAgent("serf", tmp_path / "serf", [encoded(key) for key in serf_keys])
    async with running(node):
        try:
            await agent.start(f"-retry-join={node.place}")
            with pytest.raises(JoinError, match=text):
                await node.gossip.join([agent.place])
            await until(lambda: "Failed to join" in agent.log(), "serf logs its failed join")
        finally:
            agent.end()
        assert {"ours"} == set(node.statuses())


async def test_network_coordinates_are_accepted_by_both(pool: Pool) -> None:
    node, agent = pool.ours[0], pool.theirs[0]
    await until(lambda: agent.name in node.gossip.coordinates.peers, "a coordinate of serf")

    async def knows_distance() -> bool:
        try:
            return "Estimated" in await agent.run("rtt", node.name)
        except AssertionError:
            return False

    await until(knows_distance, "serf estimates the distance")
    assert node.heard.coordinates
    assert_no_complaint(pool)


async def test_snapshot_of_serf_brings_a_node_of_ours_back(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    agent = SerfAgent("moving", tmp_path / "moving")
    async with running(stays := make_node("stays")):
        try:
            await agent.start(f"-join={stays.place}", f"-snapshot={path}")
            await stays.gossip.user_event("old", b"")
            await until(lambda: "messageUserEventType: old" in agent.log(), "serf hears the event")
            await agent.stop()  # which writes what it still holds
            assert {f"alive: stays {stays.place}", "event-clock: 1"} < set(read(path).splitlines())
        finally:
            agent.end()
        host, _, port = agent.place.rpartition(":")
        address = Address(ip_address(host).packed, int(port))
        moved = make_node("moving", settings=Settings(snapshot_path=path), address=address)

        async with running(moved):
            await until(lambda: all_alive([stays, moved], {"stays", "moving"}), "it is back")
            assert [] == moved.heard.events


async def test_snapshot_of_ours_brings_a_serf_agent_back(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    agent = SerfAgent("moving", tmp_path / "moving")
    async with running(stays := make_node("stays")):
        async with running(left := make_node("moving", settings=Settings(snapshot_path=path))):
            await left.gossip.join([stays.place])
            await until(lambda: f"alive: stays {stays.place}\n" in read(path), "it is written")
            agent.place = left.place
        try:
            await agent.start(f"-snapshot={path}")

            await until(lambda: all_alive([stays], {"stays", "moving"}), "it is back")
            assert {"stays": "alive", "moving": "alive"} == await agent.statuses()
            assert [] == agent.complaints()
        finally:
            agent.end()


def read(path: Path) -> str:
    """The file's text; empty while there is none."""
    return path.read_text() if path.exists() else ""
