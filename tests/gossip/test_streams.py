import asyncio
import secrets
import socket
import struct
from collections.abc import AsyncIterator

import msgspec
import pytest

import gossip.streams as limits
from agent.clock import monotonic_s
from agent.tasks import Tasks
from gossip.core.types import (
    Ack,
    Address,
    ErrorReply,
    Incarnation,
    NodeState,
    Ping,
    PushPull,
    State,
    StreamMessage,
    UserEvent,
    UserMessage,
    Versions,
)
from gossip.drops import Drops
from gossip.endpoints import Endpoints
from gossip.streams import StreamError, Streams
from gossip.wire.envelope import Wrapping
from gossip.wire.keyring import Keyring
from gossip.wire.stream import StreamReader, seal_stream
from tests.gossip.nodes import until

LOOPBACK = bytes((127, 0, 0, 1))
PLAIN = Wrapping(keyring=Keyring())
SECRET = Wrapping(keyring=Keyring(bytes(range(16))))
OTHER_SECRET = Wrapping(keyring=Keyring(bytes(range(32))))
VERSIONS = Versions(1, 5, 2, 2, 5, 5)


def nonce() -> bytes:
    return secrets.token_bytes(12)


def table(count: int) -> PushPull:
    """A push/pull of ``count`` nodes."""
    nodes = [
        NodeState(
            f"node-{number}",
            Address(LOOPBACK, number + 1),
            b"\xff" + secrets.token_bytes(100),
            Incarnation(1),
            State.ALIVE,
            VERSIONS,
        )
        for number in range(count)
    ]
    return PushPull(tuple(nodes), join=True)


class Server:
    """Streams that answer with what ``replies`` says."""

    def __init__(self, wrapping: Wrapping = PLAIN, endpoints: Endpoints | None = None) -> None:
        self.tasks = Tasks()
        self.endpoints = endpoints or Endpoints()
        self.drops = Drops("server", monotonic_s)
        self.asked: list[StreamMessage] = []
        self.reply: StreamMessage | None = Ack(1)
        self.streams = Streams(
            self.endpoints, lambda: wrapping, nonce, self.drops, self.tasks.start
        )
        self.address = Address(LOOPBACK, self.endpoints.open("127.0.0.1", 0))

    async def answer(self, request: StreamMessage) -> StreamMessage | None:
        self.asked.append(request)
        return self.reply

    def serve(self, timeout_s: float = 5.0) -> None:
        self.tasks.start("serve", self.streams.serve(self.answer, timeout_s))

    async def close(self) -> None:
        await self.tasks.close()
        self.endpoints.close()
        self.streams.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    server.serve()
    yield server
    await server.close()


async def secret_server() -> Server:
    server = Server(SECRET)
    server.serve()
    return server


async def exchange(server: Server, *pieces: bytes) -> bytes:
    """Everything the server sends after these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


async def test_asked_peer_answers(server: Server) -> None:
    assert Ack(1) == await server.streams.ask(server.address, Ping(1, "server"), 5.0)
    assert [Ping(1, "server")] == server.asked


@pytest.mark.parametrize("wrapping", [PLAIN, SECRET], ids=["plain", "encrypted"])
async def test_large_tables_travel_both_ways(wrapping: Wrapping) -> None:
    server = Server(wrapping)
    server.serve()
    request, server.reply = table(500), table(700)

    try:
        assert server.reply == await server.streams.ask(server.address, request, 10.0)
        assert [request] == server.asked
    finally:
        await server.close()


async def test_user_message_needs_no_answer(server: Server) -> None:
    server.reply = None
    message = UserMessage(UserEvent(1, "deploy", b"", False))

    assert await server.streams.ask(server.address, message, 5.0) is None
    await until(lambda: [message] == server.asked, "the message arrives")


async def test_request_may_arrive_byte_by_byte(server: Server) -> None:
    sealed = seal_stream(Ping(1), PLAIN, nonce, dialer=True)

    received = await exchange(server, *[bytes([byte]) for byte in sealed])

    assert Ack(1) == StreamReader(PLAIN, from_dialer=False).feed(received)


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        (PLAIN, SECRET, "Remote state is encrypted and encryption is not configured"),
        (SECRET, PLAIN, "Encryption is configured but remote state is not encrypted"),
        (OTHER_SECRET, SECRET, "No installed keys could decrypt the message"),
    ],
    ids=["no key", "plain peer", "other key"],
)
async def test_key_mismatch_is_told_in_words(ours: Wrapping, theirs: Wrapping, text: str) -> None:
    server, client = Server(theirs), Server(ours)
    server.serve()
    try:
        with pytest.raises(StreamError) as raised:
            await client.streams.ask(server.address, table(300), 5.0)
        assert text == str(raised.value)
        assert not server.asked
    finally:
        await server.close()
        await client.close()


async def test_plain_request_to_a_secret_pool_is_answered_with_an_encrypted_error() -> None:
    server = await secret_server()
    try:
        received = await exchange(server, seal_stream(Ping(1), PLAIN, nonce, dialer=True))
    finally:
        await server.close()

    assert ErrorReply("encryption is configured but remote state is not encrypted") == StreamReader(
        SECRET, from_dialer=False
    ).feed(received)
    assert {"stream plaintext": 1} == server.drops.counts


async def test_unknown_type_is_closed_without_a_word(server: Server) -> None:
    assert b"" == await exchange(server, b"\xff")
    assert {"stream unsupported": 1} == server.drops.counts


async def test_closed_peer_is_eof(server: Server) -> None:
    server.reply = None

    with pytest.raises(StreamError, match=r"^EOF$"):
        await server.streams.ask(server.address, Ping(1), 5.0)


async def test_silent_peer_is_a_timeout() -> None:
    server = Server()
    try:
        with pytest.raises(StreamError, match=r"^dial tcp 127\.0\.0\.1:\d+: i/o timeout$"):
            await server.streams.ask(server.address, Ping(1), 0.05)
    finally:
        await server.close()


async def test_refused_connection_is_told_as_everywhere(server: Server) -> None:
    with pytest.raises(
        StreamError, match=r"^dial tcp 127\.0\.0\.1:1: connect: connection refused$"
    ):
        await server.streams.ask(Address(LOOPBACK, 1), Ping(1), 5.0)


async def test_other_errors_are_told_in_the_words_of_the_system(server: Server) -> None:
    with pytest.raises(StreamError, match=r"^dial tcp \[::1\]:1: connect: connection refused$"):
        await server.streams.ask(Address(bytes(15) + b"\x01", 1), Ping(1), 5.0)
    with pytest.raises(
        StreamError, match=r"255\.255\.255\.255:9: (permission denied|.*unreachable)$"
    ):
        await server.streams.ask(Address(b"\xff" * 4, 9), Ping(1), 5.0)


async def test_answer_over_the_size_of_a_stream_is_not_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gossip.wire.stream.STREAM_BYTES_MAX", 1000)
    server.reply = table(20)

    assert b"" == await exchange(server, seal_stream(Ping(1), PLAIN, nonce, dialer=True))
    assert {"stream answer oversized": 1} == server.drops.counts


async def test_connection_that_breaks_is_counted(server: Server) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.write(b"\x00")
    await writer.drain()

    writer.close()  # with a reset, as lingering for no time asks for

    await until(lambda: server.drops.counts["stream broke"] == 1, "the reset is seen")


async def test_faulty_part_of_a_table_is_left_out_and_counted(server: Server) -> None:
    good = table(2)
    nameless = msgspec.structs.replace(good.nodes[0], name="")
    request = PushPull((nameless, good.nodes[1]), join=True)

    await server.streams.ask(server.address, request, 5.0)

    assert [PushPull((good.nodes[1],), join=True)] == server.asked
    assert {"stream part malformed": 1} == server.drops.counts


async def test_idle_stranger_is_cut_off_after_the_timeout() -> None:
    server = Server()
    server.serve(timeout_s=0.05)
    try:
        assert b"" == await exchange(server, b"\x00")
    finally:
        await server.close()

    assert {"stream timed out": 1} == server.drops.counts


async def test_streams_over_the_limit_are_closed_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAMS_MAX", 2)
    idle = [await asyncio.open_connection("127.0.0.1", server.address.port) for _ in range(2)]

    assert b"" == await exchange(server)
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()
    await until(lambda: server.drops.counts["stream empty"] == 2, "both are closed")

    assert 1 == server.drops.counts["too many streams"]
    assert Ack(1) == await server.streams.ask(server.address, Ping(1), 5.0)


async def test_bytes_of_all_streams_together_are_limited(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BUFFERED_BYTES_MAX", 100_000)
    # A user message that declares a megabyte keeps the server buffering.
    head = b"\x08\x81\xaaUserMsgLen\xce\x00\x10\x00\x00"

    received = await exchange(server, head + bytes(200_000))

    reply = StreamReader(PLAIN, from_dialer=False).feed(received)
    assert ErrorReply("too many bytes in all streams together") == reply
    assert Ack(1) == await server.streams.ask(server.address, Ping(1), 5.0)


class FailingEndpoints(Endpoints):
    """Fails the first accepts, as when descriptors run out."""

    failures = 3

    async def accept(self) -> socket.socket:
        if self.failures:
            self.failures -= 1
            raise OSError(24, "Too many open files")
        return await super().accept()


async def test_failed_accepts_are_tried_again_later_and_later() -> None:
    server = Server(endpoints=FailingEndpoints())
    before = monotonic_s()
    server.serve()
    try:
        assert Ack(1) == await server.streams.ask(server.address, Ping(1), 5.0)
    finally:
        await server.close()

    assert {"accept failed": 3} == server.drops.counts
    assert monotonic_s() - before >= (1 + 2 + 4) * limits.ACCEPT_RETRY_S_MIN


async def test_loop_goes_on_while_a_large_table_is_read(server: Server) -> None:
    server.reply = table(3000)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = server.tasks.start("tick", tick())
    await server.streams.ask(server.address, Ping(1), 10.0)
    ticking.cancel()

    assert ticks > 20
