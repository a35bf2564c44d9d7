"""Races of real connections: nothing is done twice, and nothing fails that need not."""

import asyncio
import socket
import struct
from collections import Counter

from tests.proxy.real_proxy import Backend, ask, backend, proxying, read_request

REQUESTS = 200


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_no_post_is_seen_twice_and_no_get_fails_where_connections_close_silently():
    seen: Counter[bytes] = Counter()

    async def closes_after_one(reader, writer):
        _, body = await read_request(reader)
        seen[body] += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await asyncio.sleep(0.001)  # the time in which another request may come

    async with backend(closes_after_one) as server, proxying() as proxy:
        proxy.serve(server.port)
        posts, gets = [], []
        for number in range(REQUESTS):
            posts.append(asyncio.create_task(ask(proxy.port, "POST", "/", b"id-%d" % number)))
            gets.append(asyncio.create_task(ask(proxy.port)))
            await asyncio.sleep(0.001)
        answers = await asyncio.gather(*posts)
        got = await asyncio.gather(*gets)
    ids = {body: count for body, count in seen.items() if body}
    assert 1 == max(ids.values())
    assert {status for status, _ in answers} <= {200, 502, 503}
    for number, (status, _) in enumerate(answers):
        assert status != 200 or 1 == ids[b"id-%d" % number]
    failed = [each for each in proxy.records.finished_records if each.status != 200]
    assert [] == [(each.flags, each.attempts) for each in failed if each.method == "GET"]
    assert {200} == {status for status, _ in got}


async def test_a_post_that_was_read_and_then_reset_is_not_repeated():
    seen: Counter[bytes] = Counter()

    async def reads_and_resets(reader, writer):
        _, body = await read_request(reader)
        seen[body] += 1
        reset(writer)

    async with backend(reads_and_resets) as server, proxying() as proxy:
        proxy.serve(server.port)
        answers = await asyncio.gather(
            *(ask(proxy.port, "POST", "/", b"id-%d" % number) for number in range(20))
        )
    assert {502, 503} >= {status for status, _ in answers}
    assert {1} == set(seen.values())
    assert 20 == len(seen)


async def test_one_dead_instance_of_two_fails_nobody():
    async def serves(reader, writer):
        while True:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    dead = socket.create_server(("127.0.0.1", 0))
    port = dead.getsockname()[1]
    dead.close()
    async with backend(serves) as server, proxying() as proxy:
        proxy.serve(server.port, port)
        statuses = [
            (await ask(proxy.port, method, "/", b"x" if method == "POST" else b""))[0]
            for method in ("GET", "POST") * 20
        ]
    assert {200} == set(statuses)


class Slow(Backend):
    """Takes some time for an answer; ``idle`` is set while none is under way."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self._busy = 0
        self.idle = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            self._busy += 1
            self.idle.clear()
            await asyncio.sleep(0.005)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            self._busy -= 1
            if not self._busy:
                self.idle.set()


async def test_a_rolling_restart_of_three_fails_nobody():
    servers = [Slow() for _ in range(3)]
    for server in servers:
        await server.start()
    statuses: list[int] = []
    answers: asyncio.Queue[int] = asyncio.Queue()
    async with proxying() as proxy:
        proxy.serve(*(server.port for server in servers))
        is_over = asyncio.Event()

        async def load() -> None:
            while not is_over.is_set():
                answers.put_nowait((await ask(proxy.port))[0])

        async def answered(count: int) -> None:
            while not answers.empty():
                statuses.append(answers.get_nowait())
            statuses.extend([await answers.get() for _ in range(count)])

        clients = [asyncio.create_task(load()) for _ in range(5)]
        for server in servers:
            # As a catalog sees it: taken out, idle, stopped, started, taken in.
            await answered(20)
            proxy.serve(*(other.port for other in servers if other is not server))
            await answered(5)  # what was on its way to it has arrived
            await server.idle.wait()
            await server.stop()
            await answered(5)
            await server.start()
            proxy.serve(*(other.port for other in servers))
        is_over.set()
        await asyncio.gather(*clients)
        await answered(0)
    for server in servers:
        await server.stop()
    assert {200: len(statuses)} == Counter(statuses)
