import asyncio
import json
import stat
from pathlib import Path

import pytest
import uvloop

from gossip.core.effects import Change
from gossip.core.types import META_BYTES_MAX, Address, Status
from gossip.errors import GossipError, JoinError, KeyringFileError
from gossip.keyring_file import load_keys, save_keys
from gossip.surroundings import Settings
from tests.gossip.nodes import Node, all_alive, make_node, running, until

KEY = bytes(range(16))
OTHER_KEY = bytes(range(32))
NAMES = {"a", "b", "c"}


def three(**changes: object) -> list[Node]:
    return [make_node(name, **changes) for name in sorted(NAMES)]


async def join_all(nodes: list[Node]) -> None:
    for node in nodes[1:]:
        assert 1 == await node.gossip.join([nodes[0].place])
    await until(lambda: all_alive(nodes, {node.name for node in nodes}), "all see all")


async def test_joined_nodes_see_each_other_with_tags_and_address() -> None:
    nodes = three(tags={"role": "test"})
    async with running(*nodes):
        await join_all(nodes)

        for node in nodes:
            seen = {member.name: (member.tags, member.address) for member in node.gossip.members()}
            assert {n.name: ({"role": "test"}, n.gossip.address) for n in nodes} == seen
            assert NAMES == {name for change, name in node.heard.changes if change is Change.JOIN}


async def test_nodes_work_the_same_on_uvloop() -> None:
    async def live() -> None:
        nodes = three(keys=(KEY,))
        async with running(*nodes):
            await join_all(nodes)
            await nodes[0].gossip.user_event("deploy", b"1")
            await until(lambda: all(node.heard.events for node in nodes), "all hear the event")

    await asyncio.to_thread(uvloop.run, live())


async def test_event_is_heard_once_by_each() -> None:
    nodes = three()
    async with running(*nodes):
        await join_all(nodes)

        await nodes[0].gossip.user_event("deploy", b"1")

        await until(lambda: all(node.heard.events for node in nodes), "all hear the event")
        assert [[b"1"]] * 3 == [[event.payload for event in n.heard.events] for n in nodes]


async def test_too_large_event_is_refused_with_the_limit() -> None:
    async with running(node := make_node("a")):
        with pytest.raises(GossipError, match="exceeds configured limit of 512 bytes"):
            await node.gossip.user_event("deploy", bytes(600))


async def test_query_yields_acks_and_responses_until_its_time_is_over() -> None:
    nodes = three()
    async with running(*nodes):
        await join_all(nodes)

        answers = [a async for a in nodes[0].gossip.query("who", want_ack=True, timeout_s=0.7)]

    assert NAMES == {answer.sender for answer in answers if answer.payload is None}
    assert {b"a", b"b", b"c"} == {a.payload for a in answers if a.payload is not None}
    assert [["who"]] * 3 == [node.heard.queries for node in nodes]


async def test_coordinates_are_told_as_they_move() -> None:
    nodes = three(probe_interval_s=0.1)
    async with running(*nodes):
        await join_all(nodes)

        await until(lambda: bool(nodes[0].heard.coordinates), "a coordinate moves")

        assert {"b", "c"} & set(nodes[0].gossip.coordinates.peers)
        assert 0 == nodes[0].gossip.health_score
        assert {"membership", "intents", "queries", "events"} == set(nodes[0].gossip.queue_depths)


async def test_query_may_be_given_up_early() -> None:
    async with running(node := make_node("a")):
        answers = node.gossip.query("who", timeout_s=30.0)

        assert b"a" == (await anext(answers)).payload
        await answers.aclose()


async def test_tags_are_replaced_everywhere() -> None:
    nodes = three()
    async with running(*nodes):
        await join_all(nodes)

        await nodes[0].gossip.set_tags({"colour": "red"})

        def seen() -> bool:
            return all(
                {"colour": "red"} == member.tags
                for node in nodes
                for member in node.gossip.members()
                if member.name == "a"
            )

        await until(seen, "all see the tags")
        assert (Change.UPDATE, "a") in nodes[1].heard.changes


async def test_too_many_tags_are_refused_at_the_start_and_later() -> None:
    tags = {"a": "x" * META_BYTES_MAX}
    node = make_node("a", tags=tags)
    with pytest.raises(GossipError, match=f"allowed are {META_BYTES_MAX}"):
        await node.gossip.start()
    await node.stop()

    async with running(node := make_node("a")):
        with pytest.raises(GossipError, match=f"allowed are {META_BYTES_MAX}"):
            await node.gossip.set_tags(tags)


async def test_node_that_leaves_is_seen_left_and_never_failed() -> None:
    nodes = three(leave_propagate_s=0.2)
    async with running(*nodes):
        await join_all(nodes)

        await nodes[0].gossip.leave()

        others = nodes[1:]
        await until(
            lambda: all(node.statuses()["a"] is Status.LEFT for node in others), "left for all"
        )
        assert all((Change.FAILED, "a") not in node.heard.changes for node in others)
        with pytest.raises(GossipError, match="has left"):
            await nodes[0].gossip.leave()
        with pytest.raises(JoinError, match="has left"):
            await nodes[0].gossip.join([nodes[1].place])


async def test_node_that_stops_is_seen_failed_and_may_be_forced_to_leave() -> None:
    nodes = three(probe_interval_s=0.2, probe_timeout_s=0.1)
    async with running(*nodes):
        await join_all(nodes)

        await nodes[2].stop()

        others = nodes[:2]
        await until(
            lambda: all(node.statuses()["c"] is Status.FAILED for node in others), "failed for all"
        )
        await nodes[0].gossip.force_leave("c")
        await until(
            lambda: all(node.statuses()["c"] is Status.LEFT for node in others), "left for all"
        )
        await nodes[0].gossip.force_leave("c", prune=True)
        await until(lambda: all("c" not in node.statuses() for node in others), "forgotten by all")


async def test_join_counts_those_who_answered() -> None:
    a, b = make_node("a"), make_node("b")
    async with running(a, b):
        assert 1 == await a.gossip.join(["127.0.0.1:1", f"b/{b.place}"])
        assert 0 == await a.gossip.join([])


async def test_failed_join_names_every_address_with_its_reason() -> None:
    async with running(node := make_node("a")):
        with pytest.raises(JoinError) as raised:
            await node.gossip.join(["127.0.0.1:1", "no-such-host.invalid", "127.0.0.1:x"])

    text = str(raised.value)
    assert text.startswith("3 errors occurred:\n")
    refused = "Failed to join 127.0.0.1: dial tcp 127.0.0.1:1: connect: connection refused"
    for part in (refused, "Failed to resolve no-such-host.invalid", "port must be 1 to 65535"):
        assert part in text


async def test_taken_port_is_told_and_leaves_nothing_open() -> None:
    async with running(node := make_node("a")):
        other = make_node("b", address=node.gossip.address)

        with pytest.raises(OSError, match="in use"):
            await other.gossip.start()
        await other.stop()


async def test_bind_address_may_differ_from_the_announced_one() -> None:
    announced = Address(bytes((127, 0, 0, 9)), 0)
    settings = Settings(bind_host="0.0.0.0")
    async with running(node := make_node("a", settings=settings, address=announced)):
        assert bytes((127, 0, 0, 9)) == node.gossip.address.ip
        assert 1 == await node.gossip.join([f"127.0.0.9:{node.gossip.address.port}"])


async def test_node_that_is_not_running_says_so() -> None:
    node = make_node("a")
    with pytest.raises(GossipError, match="not running"):
        node.gossip.members()

    async with running(node):
        pass

    with pytest.raises(GossipError, match="not running"):
        await node.gossip.user_event("deploy", b"")
    await node.gossip.shutdown()


async def test_shutdown_fails_who_waits() -> None:
    node = make_node("a")
    async with running(node):
        answers = node.gossip.query("who", timeout_s=30.0)
        await anext(answers)
        waiting = asyncio.ensure_future(anext(answers, None))
        await asyncio.sleep(0)

    assert await waiting is None


async def test_keys_are_rotated_everywhere_and_kept(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.keyring" for name in sorted(NAMES)}
    nodes = [
        make_node(name, settings=Settings(keyring_path=path), keys=(KEY,))
        for name, path in paths.items()
    ]
    async with running(*nodes):
        await join_all(nodes)
        gossip = nodes[0].gossip

        for action, key in [("install", OTHER_KEY), ("use", OTHER_KEY), ("remove", KEY)]:
            answer = await gossip.change_keyring(action, key)
            assert (3, "") == (answer.response_count, answer.error), action

        assert [(OTHER_KEY,)] * 3 == [node.gossip.keys for node in nodes]
        assert (OTHER_KEY,) == nodes[1].heard.keyrings[-1]
        refused = await gossip.change_keyring("remove", OTHER_KEY)
        assert "3/3 nodes reported failure" == refused.error
        assert NAMES == set(refused.messages)
    for path in paths.values():
        assert (OTHER_KEY,) == load_keys(path)
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)


async def test_unknown_keyring_action_is_refused_with_the_known_ones() -> None:
    async with running(node := make_node("a", keys=(KEY,))):
        with pytest.raises(GossipError, match="install, use, remove, list"):
            await node.gossip.change_keyring("rotate")


async def test_keyring_on_disk_beats_the_configured_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "local.keyring"
    save_keys(path, (OTHER_KEY,))
    node = make_node("a", settings=Settings(keyring_path=path), keys=(KEY,))

    async with running(node):
        assert (OTHER_KEY,) == node.gossip.keys

    assert "the configured key is not used" in caplog.text


async def test_broken_keyring_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "local.keyring"
    path.write_text(json.dumps(["short"]))
    node = make_node("a", settings=Settings(keyring_path=path))

    with pytest.raises(KeyringFileError, match="16, 24 or 32 bytes"):
        await node.gossip.start()
    await node.stop()


async def test_restarted_node_finds_its_pool_by_its_snapshot(tmp_path: Path) -> None:
    settings = Settings(snapshot_path=tmp_path / "serf" / "local.snapshot")
    a = make_node("a")
    async with running(a):
        async with running(b := make_node("b", settings=settings)):
            await b.gossip.join([a.place])
            await a.gossip.user_event("deploy", b"1")
            await until(lambda: bool(b.heard.events), "b hears the event")
            path = settings.snapshot_path
            assert path is not None
            await until(lambda: path.exists() and "event-clock: 1\n" in path.read_text(), "written")
            address = b.gossip.address

        again = make_node("b", settings=settings, address=address)
        async with running(again):
            await until(lambda: all_alive([a, again], {"a", "b"}), "b is back")
            assert [] == again.heard.events


async def test_node_that_left_does_not_return_by_its_snapshot(tmp_path: Path) -> None:
    settings = Settings(snapshot_path=tmp_path / "local.snapshot")
    a = make_node("a")
    async with running(a):
        async with running(b := make_node("b", settings=settings, leave_propagate_s=0.1)):
            await b.gossip.join([a.place])
            await b.gossip.leave()

        async with running(again := make_node("b", settings=settings)):
            await asyncio.sleep(0.1)
            assert {"b"} == set(again.statuses())


async def test_unreachable_members_of_the_last_run_do_not_stop_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "local.snapshot"
    path.write_text("alive: gone 127.0.0.1:1\nnonsense\n")

    async with running(node := make_node("a", settings=Settings(snapshot_path=path))):
        await until(
            lambda: node.gossip.drop_counts.get("background command failed") == 1, "it is counted"
        )
        assert {"a"} == set(node.statuses())

    assert "1 lines cannot be read" in caplog.text


async def test_snapshot_full_of_old_lines_is_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gossip.core.snapshot.COMPACT_BYTES_MIN", 300)
    path = tmp_path / "local.snapshot"
    path.write_text("clock: 1\n" * 50)

    async with running(node := make_node("a", settings=Settings(snapshot_path=path))):
        await until(lambda: path.stat().st_size < 300, "the file is small")
        assert f"alive: a {node.place}\n" in path.read_text()


async def test_two_nodes_of_one_name_are_told_and_the_minority_stops() -> None:
    nodes = three(gossip_interval_s=0.02)
    twin = make_node("c", gossip_interval_s=0.02)
    async with running(*nodes, twin):
        await join_all(nodes)

        await twin.gossip.join([nodes[0].place])

        await until(lambda: bool(twin.heard.stops), "the twin is outvoted")
        known, other = nodes[2].gossip.address, twin.gossip.address
        assert ("c", known, other) in nodes[0].heard.conflicts
        with pytest.raises(GossipError, match="minority"):
            await twin.gossip.user_event("deploy", b"")
        assert not nodes[2].heard.stops


async def test_encryption_can_be_introduced_without_a_stop() -> None:
    rolling = Settings(verify_incoming=False, verify_outgoing=False)
    nodes = [make_node("a"), make_node("b", settings=rolling, keys=(KEY,))]
    secret = make_node("c", keys=(KEY,), settings=Settings(verify_incoming=False))
    async with running(*nodes, secret):
        await join_all(nodes)
        with pytest.raises(JoinError, match="encryption is not configured"):
            await nodes[0].gossip.join([secret.place])

        assert 1 == await secret.gossip.join([nodes[1].place])
        await until(lambda: secret.statuses().keys() == NAMES, "it hears of everybody")


async def test_nodes_meet_over_ipv6() -> None:
    loopback = Address(bytes(15) + b"\x01", 0)
    a, b = make_node("a", address=loopback), make_node("b", address=loopback)
    async with running(a, b):
        assert 1 == await b.gossip.join([f"a/[::1]:{a.gossip.address.port}"])
        await until(lambda: all_alive([a, b], {"a", "b"}), "both see both")


async def test_labels_keep_pools_apart() -> None:
    a, b = (
        make_node(name, settings=Settings(label=label), tcp_timeout_s=0.5)
        for name, label in [("a", b"one"), ("b", b"two")]
    )
    async with running(a, b):
        with pytest.raises(JoinError, match="EOF"):
            await a.gossip.join([b.place])
        assert {"b"} == set(b.statuses())
