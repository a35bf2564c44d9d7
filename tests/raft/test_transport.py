"""Servers of a log over loopback: who is let in, what arrives, and what bad peers can do."""

import asyncio
import ssl

import pytest
import trustme

from raft import wire
from raft.connection import BUFFER_BYTES_MAX, Accepted
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
