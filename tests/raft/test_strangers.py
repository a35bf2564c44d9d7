"""Who a server of a log lets in over loopback, and what bad peers can do to it."""

import asyncio

import pytest

from raft import wire
from raft.connection import BUFFER_BYTES_MAX
from raft.core.types import (
    Append,
    Heartbeat,
    TimeoutNow,
)
from raft.entries import Entry, Kind
from raft.transport import ACCEPTED_MAX
from raft.wire import Channel, Hello
from tests.raft.servers import (
    CLUSTER,
    Node,
    Raw,
    dial_raw,
    frames_of,
    hello_of,
    of_kind,
    running,
    until,
)


def append(index: int, payload_bytes: int = 100) -> Append:
    return Append(1, index - 1, 1, 0, (Entry(index, 1, Kind.COMMAND, bytes(payload_bytes)),))


# Who is let in.


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (hello_of("x", "a", version=9), "protocol version 9; only 1 is spoken here"),
        (hello_of("x", "b"), "this is a, not b"),
        (hello_of("a", "a"), "two servers have the id a"),
        (hello_of("x", "a", cluster_id=b"2" * 16), f"this is cluster {CLUSTER.hex()}, not 3232"),
    ],
)
async def test_a_stranger_is_told_why_it_is_not_let_in(hello: bytes, reason: str):
    a = Node("a")
    async with running(a):
        raw = await dial_raw(a, wire.PREAMBLE + hello + frames_of(TimeoutNow(9)))

        await raw.left.wait()
        assert reason in raw.goodbye
        assert [] == a.received
        assert 1 == a.counts["hello_refused"]


async def test_a_dialled_server_that_is_another_one_is_left():
    a, b = Node("a"), Node("b")
    async with running(a, b):
        a.transport.set_peers({"c": b.address})

        await until(lambda: bool(a.troubles))
        assert ("c", "this is b, not c") == a.troubles[0]
        assert not a.transport.connected("c")


async def test_clusters_that_were_begun_apart_never_talk_and_say_so_once():
    a, b = Node("a"), Node("b", cluster_id=b"2" * 16)
    async with running(a, b):
        a.knows(b)
        await until(lambda: b.counts["hello_refused"] > 5)

        assert [] == a.clusters_met == b.clusters_met
        assert [("b", f"this is cluster {(b'2' * 16).hex()}, not {CLUSTER.hex()}")] == a.troubles


async def test_a_server_that_was_removed_may_still_speak():
    a = Node("a")
    async with running(a):
        await dial_raw(a, wire.PREAMBLE + hello_of("removed", "a") + frames_of(TimeoutNow(9)))

        await until(lambda: bool(a.received))
        assert [("removed", TimeoutNow(9))] == a.received


async def test_an_empty_server_adopts_the_cluster_it_meets():
    leader, new = Node("leader"), Node("new", cluster_id=b"")
    async with running(leader, new):
        leader.knows(new)
        await until(lambda: bool(new.clusters_met))
        assert CLUSTER == new.clusters_met[0]

        new.transport.adopt(CLUSTER)

        await until(lambda: ("new", "this server has joined a cluster") in leader.troubles)
        await leader.reaches(new)
        stranger = await dial_raw(new, wire.PREAMBLE + hello_of("x", "new", cluster_id=b"2" * 16))
        await stranger.left.wait()
        assert "this is cluster" in stranger.goodbye


async def test_two_empty_servers_talk():
    a, b = Node("a", cluster_id=b""), Node("b", cluster_id=b"")
    async with running(a, b):
        a.knows(b)
        await a.reaches(b)

        assert [] == a.clusters_met == b.clusters_met


async def test_more_connections_than_a_cluster_needs_are_refused():
    a = Node("a")
    async with running(a):
        raws = [await dial_raw(a, b"") for _ in range(ACCEPTED_MAX + 1)]

        await until(lambda: any(raw.left.is_set() for raw in raws))
        assert 1 == a.counts["accept_refused"]
        assert 1 == sum(raw.left.is_set() for raw in raws)


# Bad peers.


async def test_a_peer_that_does_not_read_costs_bounded_memory_and_loses_the_newest():
    a, b = Node("a"), Node("b")
    raws: list[Raw] = []

    def not_reading() -> Raw:
        raws.append(Raw())
        return raws[-1]

    await b.listen(not_reading)
    async with running(a):
        a.knows(b)
        await until(lambda: len(raws) == len(Channel) and all(raw.heard for raw in raws))
        by_channel: dict[Channel, Raw] = {}
        for raw in raws:
            hello = raw.heard[0]
            assert isinstance(hello, Hello)
            by_channel[hello.channel] = raw
            raw.say(hello_of("b", "a", channel=hello.channel))
        await a.reaches(b)
        bulk = by_channel[Channel.APPENDS]
        assert bulk.transport is not None
        bulk.transport.pause_reading()

        megabyte = 1024 * 1024
        for index in range(1, 41):
            a.send(b, append(index, megabyte))
            await asyncio.sleep(0)
        connection = a.transport._links["b", Channel.APPENDS].connection
        assert connection._transport is not None
        waiting_bytes = connection._transport.get_write_buffer_size()
        a.send(b, Heartbeat(1, 0, 1))

        # Urgent messages pass, bulk is bounded, and the loss was told once.
        await until(lambda: bool(of_kind(by_channel[Channel.URGENT].heard, Heartbeat)))
        assert waiting_bytes <= BUFFER_BYTES_MAX[Channel.APPENDS]
        dropped = a.counts["message_dropped"]
        assert dropped > 20
        assert ["b"] == a.unreachable

        bulk.read_again()
        await until(lambda: len(of_kind(bulk.heard, Append)) == 40 - dropped)
        arrived = of_kind(bulk.heard, Append)
        assert [append(index, megabyte) for index in range(1, 41 - dropped)] == arrived
    await b.close()


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (b"\xff" * 8, "length"),
        (b"\x00\x00\x00\x03\x00\x91\x63", "content"),
        (b"\x00\x00\x00\x03\x01\x91\x63", "flags"),
        (hello_of("b", "a"), "order"),
    ],
)
async def test_a_malformed_frame_ends_the_connection_and_is_counted(bad: bytes, kind: str):
    a = Node("a")
    async with running(a):
        raw = await dial_raw(a, wire.PREAMBLE + hello_of("b", "a"))
        await until(lambda: bool(raw.heard))

        raw.say(frames_of(TimeoutNow(1)), bad)

        await raw.left.wait()
        assert raw.goodbye
        assert 1 == a.counts[f"bad_frame.{kind}"]
