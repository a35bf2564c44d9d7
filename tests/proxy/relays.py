"""TCP connections through one proxy, or through two with TLS between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.proxy.authority import Authority
from tests.proxy.carried import CALLED, Site, at, mutual_chain, plain_chain
from tests.proxy.far_end import backend, calling

WAIT_S = 5.0


@asynccontextmanager
async def one(authority: Authority, port: int, **chain: Any) -> AsyncIterator[tuple[Site, int]]:
    """A proxy without TLS before a backend."""
    site = Site(authority, "web", plain_chain(**chain))
    site.leads_to(at(port))
    async with site.open() as entry:
        yield site, entry


@asynccontextmanager
async def pair(authority: Authority, port: int) -> AsyncIterator[tuple[Site, Site, int]]:
    """The caller's proxy, that of the called service, and where the caller connects."""
    inbound = Site(authority, "api", mutual_chain())
    inbound.leads_to(at(port))
    outbound = Site(authority, "web", plain_chain())
    async with inbound.open() as middle, outbound.open() as entry:
        outbound.leads_to(at(middle), tls=CALLED)
        yield outbound, inbound, entry


@asynccontextmanager
async def through(authority: Authority, serve: Any) -> AsyncIterator[tuple[Site, Any, Any]]:
    """A connection through two proxies to an application; with the proxy of the called side."""
    async with (
        backend(serve) as app,
        pair(authority, app) as (_, inbound, entry),
        calling(entry) as (reader, writer),
    ):
        yield inbound, reader, writer


async def ping(reader: Any, writer: Any, message: bytes = b"ping") -> bytes:
    writer.write(message)
    async with asyncio.timeout(WAIT_S):
        answer: bytes = await reader.readexactly(len(message))
    return answer


async def refusal(entry: int) -> str:
    """How a connection that goes nowhere is ended."""
    try:
        async with calling(entry) as (reader, _):
            return await ended(reader)
    except ConnectionError:
        return "reset"


async def ended(reader: Any) -> str:
    """How a connection was ended: in order, or by a reset."""
    async with asyncio.timeout(WAIT_S):
        try:
            assert b"" == await reader.read()
        except ConnectionError:
            return "reset"
    return "end"
