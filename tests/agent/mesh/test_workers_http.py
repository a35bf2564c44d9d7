"""Requests over kept connections while their worker is replaced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy.api import ProxyConfig
from tests.agent.mesh.test_workers import WAIT_S, AgentPart
from tests.proxy.fakes import until
from tests.proxy.worker_process import connect, relay

REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
async def backend() -> AsyncIterator[int]:
    """A port where every request is answered, over connections that are kept."""
    is_open: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_open.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        is_open.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in is_open:
        writer.close()
    await until(lambda: not is_open)


def over_http(config: ProxyConfig) -> ProxyConfig:
    """The same, one request at a time."""
    (listener,) = config.listeners
    chains = tuple(replace(chain, protocol="http") for chain in listener.chains)
    clusters = {name: replace(c, protocol="http") for name, c in config.clusters.items()}
    return replace(config, listeners=(replace(listener, chains=chains),), clusters=clusters)


class Clients:
    """Each keeps its connection until it is told that it will be closed."""

    def __init__(self, listen: Path, count: int) -> None:
        self.answered = 0
        self.connections = 0
        self.failures: list[str] = []
        self._listen = listen
        self._is_ending = False
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run()) for _ in range(count)]

    async def _run(self) -> None:
        while not self._is_ending:
            reader, writer = await connect(self._listen)
            self.connections += 1
            try:
                while not self._is_ending:
                    writer.write(REQUEST)
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert (b"hi", True) == (await reader.readexactly(2), b" 200 " in head)
                    self.answered += 1
                    if b"connection: close" in head.lower():
                        break
                    await asyncio.sleep(0.001)
            except (OSError, AssertionError, asyncio.IncompleteReadError) as error:
                self.failures.append(repr(error))
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def more(self, count: int) -> None:
        """Wait until so many more requests were answered."""
        goal = self.answered + count
        await until(lambda: self.answered >= goal, WAIT_S)

    async def end(self) -> None:
        self._is_ending = True
        await asyncio.wait(self._tasks)


async def test_no_request_fails_while_a_worker_is_replaced(tmp_path: Path, backend: int) -> None:
    part = await AgentPart(tmp_path).start()
    part.feed.put(over_http(relay(tmp_path / "a.sock", backend)))
    await part.applied("web")
    clients = Clients(tmp_path / "a.sock", 8)
    await clients.more(100)
    older = part.process

    await part.workers.upgrade()
    await until(lambda: all(worker.process != older for worker in part.feed.workers), WAIT_S)
    await clients.more(100)

    await clients.end()
    await part.workers.stop(0.0)
    await part.stop()
    assert [] == clients.failures
    assert 16 == clients.connections
