"""A real worker process that a test feeds, and a backend behind it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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
from tests.proxy.fakes import until

END_WAIT_S = 20.0  # for a process to end that was told to, on two busy cores
ROOT = Path(__file__).resolve().parents[2]


class WorkerUnderTest:
    """``python -m proxy``; killed when the test is over."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(END_WAIT_S):
            return await self.process.wait()


@asynccontextmanager
async def worker_process(feed: Path, *arguments: str) -> AsyncIterator[WorkerUnderTest]:
    """Start one; its messages are the test's."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "--feed", str(feed), *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield WorkerUnderTest(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def echo(prefix: bytes = b"") -> AsyncIterator[int]:
    """A backend that sends back what it gets; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                writer.write(prefix + chunk)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        open_writers.discard(writer)

    open_writers: set[asyncio.StreamWriter] = set()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_writers:
            writer.close()
        await until(lambda: not open_writers)


Place = Path | int
"""Where something listens: a Unix socket, or a port of this host."""


def relay(listen: Place, backend: int, id: str = "web", **fields: object) -> ProxyConfig:
    """A proxy that relays a place to a port of this host, in the clear."""
    chain = FilterChain(routes=(Route(name="app", clusters=(WeightedCluster(cluster="app"),)),))
    endpoint = Endpoint(id="a", address="127.0.0.1", port=backend)
    groups = (EndpointGroup(target="app", endpoints=(endpoint,)),)
    place: dict[str, Any] = (
        {"address": "127.0.0.1", "port": listen}
        if isinstance(listen, int)
        else {"path": str(listen)}
    )
    base: dict[str, object] = {
        "id": id,
        "service": id,
        "listeners": (Listener(name="public", direction="inbound", chains=(chain,), **place),),
        "clusters": {"app": Cluster(name="app", service="app", groups=groups)},
        "drain_s": 5.0,
    }
    return ProxyConfig(**{**base, **fields})  # type: ignore[arg-type] # as named


async def connect(listen: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to who listens there."""
    if isinstance(listen, int):
        return await asyncio.open_connection("127.0.0.1", listen)
    return await asyncio.open_unix_connection(str(listen))


async def ask(listen: Place, question: bytes, answer: bytes | None = None) -> bytes:
    """One connection with one question; what came back."""
    reader, writer = await connect(listen)
    try:
        writer.write(question)
        async with asyncio.timeout(END_WAIT_S):
            return await reader.readexactly(len(question if answer is None else answer))
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
