"""One connection between two servers: who speaks first, what ends it, what it leaves behind."""

import asyncio
import socket
from typing import Any

import msgspec
import pytest

from raft import connection as connection_module
from raft import wire
from raft.connection import BUFFER_BYTES_MAX, Dialled, Times
from raft.core.types import Append, Heartbeat, TimeoutNow
from raft.entries import Entry, Kind
from raft.wire import Channel, Goodbye, Hello
from tests.raft.servers import (
    CLUSTER,
    ELECTION_TIMEOUT_S,
    Node,
    Raw,
    dial_raw,
    frames_of,
    hello_of,
    running,
    until,
)


async def test_the_end_that_dialled_speaks_first():
    a, b = Node("a"), Node("b")
    raws: list[Raw] = []

    def raw() -> Raw:
        raws.append(Raw())
        return raws[-1]

    await b.listen(raw)
    async with running(a):
        a.knows(b)
        await until(lambda: len(raws) == len(Channel) and all(raw.heard for raw in raws))

        expected = [Hello(1, CLUSTER, "a", "b", 0, channel) for channel in Channel]
        heard = [raw.heard[0] for raw in raws]
        assert all(hello in heard for hello in expected)
    await b.close()


async def test_an_end_that_was_dialled_says_nothing_before_a_hello():
    a = Node("a")
    async with running(a):
        raw = await dial_raw(a, wire.PREAMBLE)
        await until(lambda: len(a.transport._inbound) == 1)
        assert [] == raw.heard

        raw.say(hello_of("b", "a", channel=Channel.APPENDS))

        await until(lambda: bool(raw.heard))
        assert [Hello(1, CLUSTER, "a", "b", 0, Channel.APPENDS)] == raw.heard


async def test_a_hello_may_come_byte_by_byte():
    a = Node("a")
    async with running(a):
        raw = await dial_raw(a, b"")

        for byte in wire.PREAMBLE + hello_of("b", "a") + frames_of(TimeoutNow(3)):
            raw.say(bytes([byte]))
            await asyncio.sleep(0)

        await until(lambda: bool(a.received))
        assert [("b", TimeoutNow(3))] == a.received


async def test_an_end_that_says_no_hello_in_time_is_left():
    a = Node("a")
    a.transport.times = msgspec.structs.replace(a.transport.times, hello_s=0.01)
    async with running(a):
        raw = await dial_raw(a, wire.PREAMBLE)

        await raw.left.wait()
        assert "no hello in time" == raw.goodbye


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "preamble", "no connection of a raft server"),
        (wire.PREAMBLE + frames_of(TimeoutNow(1)), "order", "the first frame is no hello"),
        (wire.PREAMBLE + hello_of("b", "a") * 2, "order", "a second hello"),
    ],
)
async def test_an_end_that_breaks_the_rules_is_told_and_left(said: bytes, kind: str, reason: str):
    a = Node("a")
    async with running(a):
        raw = await dial_raw(a, said)

        await raw.left.wait()
        assert reason in raw.goodbye
        assert 1 == a.counts[f"bad_frame.{kind}"]
        assert [] == a.received


async def test_nothing_after_a_goodbye_is_heard():
    a = Node("a")
    async with running(a):
        leaving = bytes(wire.encode_handshake(Goodbye("enough")))
        raw = await dial_raw(
            a, wire.PREAMBLE + hello_of("b", "a") + leaving + frames_of(TimeoutNow(1))
        )

        await raw.left.wait()
        assert [] == a.received


async def test_each_buffer_has_room_for_the_largest_frame_of_its_channel():
    assert BUFFER_BYTES_MAX[Channel.APPENDS] >= wire.FRAME_BYTES_MAX
    assert BUFFER_BYTES_MAX[Channel.SNAPSHOTS] >= wire.FRAME_BYTES_MAX
    assert set(Channel) == set(BUFFER_BYTES_MAX)


async def test_a_peer_that_never_reads_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_module, "CLOSE_GRACE_S", 0.01)
    a = Node("a")
    await a.listen()
    raw = await dial_raw(a, wire.PREAMBLE + hello_of("b", "a", channel=Channel.APPENDS))
    await until(lambda: bool(raw.heard))
    assert raw.transport is not None
    raw.transport.pause_reading()
    bulk = Append(1, 0, 0, 0, (Entry(1, 1, Kind.COMMAND, bytes(1024 * 1024)),))
    while a.counts["message_dropped"] == 0:
        a.send("b", bulk)
        await asyncio.sleep(0)

    async with asyncio.timeout(1):
        await a.close()

    assert not a.transport._inbound
    raw.transport.abort()


async def test_sockets_send_at_once_and_give_up_on_a_host_that_is_gone():
    a, b = Node("a"), Node("b")
    async with running(a, b):
        a.knows(b)
        await a.reaches(b)

        for end in (a.transport._links["b", Channel.URGENT].connection, *b.transport._inbound):
            assert end._transport is not None
            sock: Any = end._transport.get_extra_info("socket")
            tcp = socket.IPPROTO_TCP
            assert sock.getsockopt(tcp, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            limit_ms = sock.getsockopt(tcp, socket.TCP_USER_TIMEOUT)
            assert 2000 * ELECTION_TIMEOUT_S == limit_ms


async def test_a_connection_that_comes_after_its_end_is_dropped():
    a, b = Node("a"), Node("b")
    async with running(a, b):
        late = Dialled(a.transport, "b", Channel.URGENT)
        late.end("nobody waits")

        await asyncio.get_running_loop().create_connection(lambda: late, "127.0.0.1", b.port)

        await until(lambda: late._transport is None and not b.transport._inbound)
        assert not late.usable
        assert 0 == b.counts["connected"]


async def test_messages_that_were_put_and_not_flushed_go_with_their_connection():
    a = Node("a")
    async with running(a):
        raw = await dial_raw(a, wire.PREAMBLE + hello_of("b", "a"))
        await until(lambda: bool(raw.heard))
        (accepted,) = a.transport._inbound

        assert accepted.put(bytearray(frames_of(Heartbeat(1, 0, 1))))
        accepted.end("enough")
        accepted.flush()

        await raw.left.wait()
        assert [Goodbye("enough")] == raw.heard[1:]


def test_no_wait_between_dials_is_longer_than_half_an_election_timeout():
    assert 2.5 == Times.of(5.0).backoff_max_s
