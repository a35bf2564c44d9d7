"""TCP: many queries to a connection, in pieces, slowly, and more than is good."""

import asyncio
import socket
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import dns.message
import pytest

from agent.dns.responder import Responder
from agent.dns.settings import DnsSettings
from agent.dns.stream import PIPELINED_MAX, QUERY_BYTES_MAX, StreamDoor
from agent.tasks import Tasks

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Listening:
    """A stream door on a port of its own, with limits that a test can reach."""

    def __init__(self, directory: Any, tasks: Tasks) -> None:
        self.responder = Responder(directory, DnsSettings(), rng=Random(1), wall_s=lambda: 1.0)
        self.tasks = tasks
        self.door: StreamDoor
        self.port = 0
        self._server: asyncio.Server
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self, **limits: Any) -> None:
        self.door = StreamDoor(self.responder, self.tasks, **limits)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.door.connection, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def connect(self, *, receive_bytes: int = 0) -> Streams:
        """A client; with ``receive_bytes`` its kernel takes no more than about so much unread."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
        self._server.close()
        self.door.close()
        await self._server.wait_closed()


@pytest.fixture
async def listening(directory: Any) -> AsyncIterator[Listening]:
    tasks = Tasks()
    made = Listening(directory, tasks)
    yield made
    await made.close()
    await tasks.close()


def frame(ident: int = 1, name: str = "web.service.consul", kind: str = "A") -> bytes:
    packet = dns.message.make_query(name, kind, use_edns=False, id=ident).to_wire()
    return len(packet).to_bytes(2, "big") + packet


async def read(reader: asyncio.StreamReader) -> dns.message.Message:
    length = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), 5), "big")
    return dns.message.from_wire(await reader.readexactly(length), one_rr_per_rrset=True)


async def test_pipelined_queries_are_all_answered(listening: Listening) -> None:
    await listening.start()
    reader, writer = await listening.connect()
    count = PIPELINED_MAX * 3

    writer.write(b"".join(frame(n, f"n{n}.service.consul") for n in range(count)))

    replies = [await read(reader) for _ in range(count)]
    assert {reply.id for reply in replies} == set(range(count))
    assert all(str(reply.id) in reply.question[0].name.to_text() for reply in replies)


async def test_queries_past_the_pipeline_limit_wait_for_the_first(
    listening: Listening, directory: Any, until: Any
) -> None:
    await listening.start()
    go, busy, most = asyncio.Event(), 0, 0
    lookup = directory.service_nodes

    async def slow(*args: Any) -> Any:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await go.wait()
        busy -= 1
        return await lookup(*args)

    directory.service_nodes = slow
    reader, writer = await listening.connect()
    count = PIPELINED_MAX + 9

    writer.write(b"".join(frame(n, f"n{n}.service.consul") for n in range(count)))
    await until(lambda: busy == PIPELINED_MAX)
    go.set()
    replies = [await read(reader) for _ in range(count)]

    assert most == PIPELINED_MAX
    assert len(replies) == count


async def test_slow_answer_does_not_hold_up_a_ready_one(
    listening: Listening, directory: Any
) -> None:
    await listening.start()
    go, lookup = asyncio.Event(), directory.node

    async def slow(*args: Any) -> Any:
        await go.wait()
        return await lookup(*args)

    directory.node = slow
    reader, writer = await listening.connect()

    writer.write(frame(1, "devn.node.consul") + frame(2))
    first = await read(reader)
    go.set()
    second = await read(reader)

    assert (first.id, second.id) == (2, 1)


@pytest.mark.parametrize("cut", [1, 2, 3, 20])
async def test_query_in_pieces_is_answered(listening: Listening, cut: int) -> None:
    await listening.start()
    reader, writer = await listening.connect()
    whole = frame(1) + frame(2)

    for start in range(0, len(whole), cut):
        writer.write(whole[start : start + cut])
        await writer.drain()
        await asyncio.sleep(0)

    assert {(await read(reader)).id, (await read(reader)).id} == {1, 2}


@pytest.mark.parametrize("sent", [b"", b"\0", frame()[:-1]])
async def test_silent_or_trickling_client_is_closed(listening: Listening, sent: bytes) -> None:
    await listening.start(idle_timeout_s=0.05)
    reader, writer = await listening.connect()

    writer.write(sent)

    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await read(reader)
    assert not listening.door.open


async def test_answer_renews_the_idle_time(listening: Listening) -> None:
    await listening.start(idle_timeout_s=0.2)
    reader, writer = await listening.connect()

    for ident in range(6):
        writer.write(frame(ident))
        assert (await read(reader)).id == ident
        await asyncio.sleep(0.06)


@pytest.mark.parametrize("length", [0, 11, QUERY_BYTES_MAX + 1, 65535])
async def test_length_that_no_query_has_ends_the_connection(
    listening: Listening, length: int
) -> None:
    await listening.start()
    reader, writer = await listening.connect()

    writer.write(length.to_bytes(2, "big") + bytes(20))

    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert listening.responder.counts.malformed == 1


async def test_unreadable_query_gets_formerr_and_the_connection_goes_on(
    listening: Listening,
) -> None:
    await listening.start()
    reader, writer = await listening.connect()

    writer.write(b"\0\x0c" + b"\0\7\1\0\0\2" + bytes(6) + frame(8))
    replies = {(await read(reader)).id: None for _ in range(2)}

    assert set(replies) == {7, 8}


async def test_one_connection_too_many_is_refused_and_a_later_one_is_not(
    listening: Listening, until: Any
) -> None:
    await listening.start(connections_max=1)
    reader, writer = await listening.connect()
    writer.write(frame())
    await read(reader)

    other, _ = await listening.connect()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await read(other)
    writer.close()
    await until(lambda: not listening.door.open)

    reader, writer = await listening.connect()
    writer.write(frame(5))
    assert (await read(reader)).id == 5


async def test_client_that_never_reads_is_bounded_and_closed(
    listening: Listening, directory: Any, until: Any
) -> None:
    for n in range(900):
        node = directory.add_node(f"node-with-a-long-name-{n}", f"10.0.{n >> 8}.{n & 255}")
        directory.add(node, "many", id=str(n), port=n)
    await listening.start(idle_timeout_s=0.3)
    _, writer = await listening.connect(receive_bytes=65536)
    writer.transport.pause_reading()

    writer.write(frame(1, "many.service.consul", "SRV") * 200)  # ~60 KiB each

    await until(lambda: listening.door.open)
    [transport] = listening.door.open
    sizes: list[int] = []
    await until(lambda: sizes.append(transport.get_write_buffer_size()) or not listening.door.open)
    assert max(sizes) < 4 * 1024 * 1024


async def test_slow_reader_gets_everything_once_it_reads(
    listening: Listening, directory: Any, until: Any
) -> None:
    for n in range(900):
        node = directory.add_node(f"node-with-a-long-name-{n}", f"10.0.{n >> 8}.{n & 255}")
        directory.add(node, "many", id=str(n), port=n)
    await listening.start()
    reader, writer = await listening.connect(receive_bytes=65536)
    writer.transport.pause_reading()
    writer.write(frame(1, "many.service.consul", "SRV") * 200)
    await until(lambda: listening.door.open)
    [transport] = listening.door.open
    await until(lambda: transport.get_write_buffer_size() > 0)

    writer.transport.resume_reading()

    for _ in range(200):
        length = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), 5), "big")
        await reader.readexactly(length)
