"""A whole proxy on real sockets, for tests with real clients and servers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import msgspec

from proxy.api import (
    Cluster,
    Endpoint,
    EndpointGroup,
    FilterChain,
    Listener,
    ProxyConfig,
    Route,
    WeightedCluster,
)
from proxy.chain_serving import Surroundings
from proxy.notices import Notices
from proxy.parts import make_parts
from proxy.runtime import Runtime
from tests.proxy.http_world import Records

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], "asyncio.Future[None]"]


class RealProxy:
    """One outbound listener for ``web``; ``port`` is where it listens."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._config = ProxyConfig(id="client-proxy", service="client")
        loop = asyncio.get_running_loop()
        self.records = Records()
        around = Surroundings(
            now_s=loop.time,
            random=Random(1).random,
            start=self._start,
            call_later=loop.call_later,
            make_recorder=lambda _: self.records,
            notices=Notices(soon=loop.call_soon, now_s=loop.time, failed=self._failed),
        )
        self.runtime = Runtime(make_parts(around), around, lambda _: None)

    @property
    def port(self) -> int:
        (sock,) = self.runtime.sockets().values()
        port: int = sock.getsockname()[1]
        return port

    def serve(
        self, *ports: int, route: Route | None = None, protocol: Any = "http", onward: Any = "http"
    ) -> None:
        """Send requests to these ports from now on; ``onward`` is what is spoken there."""
        endpoints = tuple(
            Endpoint(id=f"n/web-{port}", address="127.0.0.1", port=port) for port in ports
        )
        group = EndpointGroup(target="web", endpoints=endpoints)
        cluster = Cluster(name="web", service="web", protocol=onward, groups=(group,))
        route = route or Route(name="resolver:web", clusters=(WeightedCluster(cluster="web"),))
        listener = Listener(
            name="web",
            direction="outbound",
            address="127.0.0.1",
            chains=(FilterChain(protocol=protocol, routes=(route,)),),
        )
        self._config = msgspec.structs.replace(
            self._config, listeners=(listener,), clusters={"web": cluster}
        )
        assert {} == self.runtime.apply(self._config)

    async def close(self) -> None:
        await self.runtime.drain(0.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, name: str, work: object) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _failed(self, error: Exception) -> None:
        raise error


@asynccontextmanager
async def proxying() -> AsyncIterator[RealProxy]:
    """A proxy that serves nothing yet."""
    proxy = RealProxy()
    try:
        yield proxy
    finally:
        await proxy.close()


class Backend:
    """An HTTP server whose every connection is one ``talk``."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._run, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            self._tasks.discard(task)
            writer.close()


@asynccontextmanager
async def backend(talk: Talk) -> AsyncIterator[Backend]:
    server = Backend(talk)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of a request with a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    _, mark, rest = head.lower().partition(b"\r\ncontent-length: ")
    length = int(rest.partition(b"\r\n")[0]) if mark else 0
    return head, await reader.readexactly(length)


async def ask(
    port: int, method: str = "GET", path: str = "/", body: bytes = b"", fields: str = ""
) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n{length}{fields}\r\n"
        writer.write(head.encode() + body)
        answer = await reader.read()
        return int(answer[9:12]), answer.partition(b"\r\n\r\n")[2]
    finally:
        writer.close()
