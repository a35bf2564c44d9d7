"""The two ends of a connection through a proxy, with a TLS of their own where they speak it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from tempfile import NamedTemporaryFile
from typing import Any

from proxy.api import Identity
from tests.proxy.authority import Authority

LOCALHOST = "127.0.0.1"


def port_of(sock: socket.socket) -> int:
    """0 for a Unix socket."""
    if sock.family == socket.AF_UNIX:
        return 0
    port: int = sock.getsockname()[1]
    return port


@asynccontextmanager
async def backend(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
    | None = None,
    path: str = "",
) -> AsyncIterator[int]:
    """An application; without ``serve`` it echoes until the end, and ends then."""
    tasks: list[asyncio.Task[None]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await (serve or _echo)(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()

    server = await (
        asyncio.start_unix_server(accept, path)
        if path
        else asyncio.start_server(accept, LOCALHOST, 0)
    )
    try:
        yield port_of(server.sockets[0])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()


def client_context(authority: Authority, identity: Identity | None = None) -> ssl.SSLContext:
    """An application's own TLS, which is not ours: it believes the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=authority.root_pem)
    if identity is not None:
        load(context, identity)
    return context


def server_context(authority: Authority, identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authority.root_pem)
    context.verify_mode = ssl.CERT_REQUIRED
    load(context, identity)
    return context


def load(context: ssl.SSLContext, identity: Identity) -> None:
    with NamedTemporaryFile("w") as file:
        file.write(identity.certificates_pem + identity.private_key_pem)
        file.flush()
        context.load_cert_chain(file.name)


@asynccontextmanager
async def calling(port: int, **tls: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A client's connection."""
    reader, writer = await asyncio.open_connection(LOCALHOST, port, **tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
