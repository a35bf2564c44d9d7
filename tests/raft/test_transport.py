"""Servers of a log over loopback: what arrives, and connections that come and go."""

import asyncio
import ssl

import pytest
import trustme

from raft import wire
from raft.connection import Accepted
from raft.core.types import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Message,
    SnapshotChunk,
    TimeoutNow,
)
from raft.entries import Configuration, Entry, Kind, SnapshotMeta
from raft.wire import Channel
from tests.raft.servers import (
    Node,
    dial_raw,
    frames_of,
    hello_of,
    running,
    until,
)


def append(index: int, payload_bytes: int = 100) -> Append:
    return Append(1, index - 1, 1, 0, (Entry(index, 1, Kind.COMMAND, bytes(payload_bytes)),))


# What is sent arrives.


async def test_messages_of_every_channel_arrive_with_their_sender():
    a, b = Node("a"), Node("b")
    meta = SnapshotMeta(
        id="1-1-1",
        index=1,
        term=1,
        configuration=Configuration(),
        configuration_index=1,
        size_bytes=1,
    )
    sent: list[Message] = [Heartbeat(1, 0, 1), append(1), SnapshotChunk(1, meta, 0, b"s")]
    async with running(a, b):
        a.knows(a, b)
        await a.reaches(b)

        a.send(b, *sent)

        await until(lambda: len(b.received) == 3)
        assert {"a"} == {sender_id for sender_id, _ in b.received}
        assert all(message in b.messages for message in sent)
        assert [] == a.unreachable == b.unreachable


async def test_order_is_kept_on_a_channel():
    a, b = Node("a"), Node("b")
    appends = [append(index) for index in range(1, 501)]
    async with running(a, b):
        a.knows(b)
        await a.reaches(b)

        for start in range(0, 500, 7):
            a.send(b, *appends[start : start + 7])

        await until(lambda: len(b.received) == 500)
        assert appends == b.messages


async def test_messages_of_a_turn_leave_in_one_write(monkeypatch: pytest.MonkeyPatch):
    a, b = Node("a"), Node("b")
    async with running(a, b):
        a.knows(b)
        await a.reaches(b)
        writes: list[bytes] = []
        connection = a.transport._links["b", Channel.URGENT].connection
        transport = connection._transport
        assert transport is not None

        class Counting:
            def write(self, data: bytes) -> None:
                writes.append(data)
                transport.write(data)

            def __getattr__(self, name: str) -> object:
                return getattr(transport, name)

        monkeypatch.setattr(connection, "_transport", Counting())
        a.send(b, *[Heartbeat(1, 0, number) for number in range(20)])

        await until(lambda: len(b.received) == 20)
        assert 1 == len(writes)


async def test_a_server_that_knows_nobody_answers_on_the_connection_made_to_it():
    leader, new = Node("leader"), Node("new", cluster_id=b"")
    async with running(leader, new):
        leader.knows(new)
        await leader.reaches(new)

        new.send(leader, AppendAnswer(1, False, 5))

        await until(lambda: bool(leader.received))
        assert [("new", AppendAnswer(1, False, 5))] == leader.received


async def test_one_direction_in_which_connections_can_be_made_is_enough():
    a, b = Node("a"), Node("b")
    async with running(a, b):
        a.knows(b)
        b.transport.set_peers({"a": "127.0.0.1:1"})  # nothing listens there
        await b.reaches(a)

        b.send(a, Heartbeat(1, 0, 1))

        await until(lambda: bool(a.received))


# Connections that come and go.


async def test_a_peer_that_restarts_is_connected_again():
    a, b = Node("a"), Node("b")
    async with running(a, b):
        a.knows(b)
        await a.reaches(b)
        await b.close()
        await until(lambda: "b" in a.unreachable)

        again = Node("b")
        again.port = b.port
        async with running(again):
            await a.reaches(again)
            a.send(again, Heartbeat(1, 0, 1))

            await until(lambda: bool(again.received))
            assert "the server is stopping" in [reason for _, reason in a.troubles]


async def test_what_is_sent_without_a_connection_is_dropped_and_reported_once():
    a = Node("a")
    async with running(a):
        a.transport.set_peers({"b": "127.0.0.1:1"})

        a.send("b", Heartbeat(1, 0, 1))
        a.send("b", Heartbeat(1, 0, 2))
        assert [] == a.unreachable  # not from within a turn of the driver

        await until(lambda: bool(a.unreachable))
        assert ["b"] == a.unreachable
        assert 2 == a.counts["message_dropped"]


async def test_what_is_sent_to_an_unknown_server_is_dropped():
    a = Node("a")
    async with running(a):
        a.send("nobody", Heartbeat(1, 0, 1))

        assert 1 == a.counts["message_dropped"]


async def test_a_peer_that_is_no_member_any_more_is_left():
    a, b = Node("a"), Node("b")
    async with running(a, b):
        a.knows(b)
        await a.reaches(b)

        a.send(b, Heartbeat(1, 7, 1))
        a.transport.set_peers({})

        await until(lambda: b.counts["disconnected"] == len(Channel))
        assert [Heartbeat(1, 7, 1)] == b.messages  # the last word still reached it
        assert not a.transport.connected("b")


async def test_a_peer_that_moved_is_connected_at_its_new_address():
    a, b, moved = Node("a"), Node("b"), Node("b")
    async with running(a, b, moved):
        a.knows(b)
        await a.reaches(b)

        a.knows(moved)
        await a.reaches(moved)
        a.send("b", Heartbeat(1, 0, 1))

        await until(lambda: bool(moved.received))
        assert [] == b.received


async def test_an_older_connection_is_ignored_once_a_newer_one_said_hello():
    a = Node("a")
    accepted: list[Accepted] = []

    def accept() -> Accepted:
        accepted.append(a.transport.inbound())
        return accepted[-1]

    await a.listen(accept)
    older = await dial_raw(a, wire.PREAMBLE + hello_of("b", "a"))
    await until(lambda: bool(older.heard))
    newer = await dial_raw(a, wire.PREAMBLE + hello_of("b", "a"))
    await until(lambda: bool(newer.heard))

    accepted[0].data_received(frames_of(TimeoutNow(1)))
    newer.say(frames_of(TimeoutNow(2)))
    a.send("b", Heartbeat(1, 0, 1))

    await until(lambda: bool(a.received) and Heartbeat(1, 0, 1) in newer.heard)
    await older.left.wait()
    assert [TimeoutNow(2)] == a.messages
    assert "a newer connection" in older.goodbye
    assert 1 == a.counts["superseded"]
    await a.close()


async def test_contact_of_a_peer_ends_the_wait_before_the_next_dial(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("raft.peer_link.BACKOFF_MIN_S", 3600.0)
    a, b = Node("a"), Node("b")
    a.transport.times = b.transport.times = type(a.transport.times).of(7200.0)
    async with running(a):
        b.port = 1
        a.knows(b)
        await until(lambda: a.counts["dial_failed"] == len(Channel))
        b.port = 0
        async with running(b):
            for link in a.transport._links.values():
                link._address = b.address
            b.knows(a)

            await until(lambda: b.counts["connected"] == 2 * len(Channel))


async def test_nothing_is_accepted_after_close():
    a = Node("a")
    async with running(a):
        await a.transport.close()

        raw = await dial_raw(a, wire.PREAMBLE + hello_of("b", "a"))

        await raw.left.wait()
        assert [] == raw.heard


# The same port as the agents' calls, and TLS.


async def test_a_connection_is_taken_over_with_the_bytes_that_were_read_of_it():
    a = Node("a")

    class Doorman(asyncio.Protocol):
        """Looks at the first bytes, as the agents' port does."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            assert data[0] == wire.PREAMBLE[0]
            a.transport.accept(self.transport, data)  # type: ignore[arg-type] # a stream's

    await a.listen(Doorman)
    raw = await dial_raw(a, wire.PREAMBLE + hello_of("b", "a") + frames_of(TimeoutNow(1)))
    await until(lambda: len(a.received) == 1)

    raw.say(frames_of(TimeoutNow(2)))

    await until(lambda: len(a.received) == 2)
    assert [TimeoutNow(1), TimeoutNow(2)] == a.messages
    await a.close()


async def test_messages_travel_over_tls():
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)
    a, b = (Node(each, server_tls=server_tls, client_tls=client_tls) for each in ("a", "b"))
    async with running(a, b):
        a.knows(b)
        b.knows(a)
        await a.reaches(b)
        await b.reaches(a)

        a.send(b, append(1, 1024 * 1024))
        b.send(a, HeartbeatAnswer(1, 1))

        await until(lambda: bool(a.received and b.received))
        assert ([append(1, 1024 * 1024)], [HeartbeatAnswer(1, 1)]) == (b.messages, a.messages)


async def test_a_server_whose_certificate_is_not_trusted_is_not_talked_to():
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(server_tls)
    a = Node("a", client_tls=ssl.create_default_context())
    b = Node("b", server_tls=server_tls)
    async with running(a, b):
        a.knows(b)

        await until(lambda: bool(a.troubles))
        assert "certificate" in a.troubles[0][1]
