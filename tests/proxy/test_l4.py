"""Tests of proxy/l4.py: connections through one proxy, or through two with TLS between them."""

import asyncio
import hashlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest

from proxy.api import FilterChain
from tests.proxy.authority import Authority
from tests.proxy.carried import CALLED, Site, allowing, at, mutual_chain, plain_chain
from tests.proxy.fakes import until
from tests.proxy.far_end import backend, calling

WAIT_S = 5.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


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


async def test_bytes_pass_both_ways_through_two_proxies(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (outbound, inbound, entry):
        async with calling(entry) as (reader, writer):
            assert b"ping" == await ping(reader, writer)
            writer.write_eof()
            assert "end" == await ended(reader)
        await until(lambda: inbound.told.records and outbound.told.records)

    for site in (outbound, inbound):
        record = site.record
        assert (4, 4) == (record.bytes_received, record.bytes_sent)
        assert ("app", "node/app", 1) == (record.cluster, record.endpoint, record.attempts)
        assert [] == record.flags
        assert record.ended_s >= record.started_s
    assert inbound.record.facts.peer is not None
    assert "web" == inbound.record.facts.peer.service


async def test_what_comes_before_the_instance_is_there_is_kept(authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(200_000))
        await writer.drain()

    async with through(authority, serve) as (_, reader, writer):
        writer.write(b"x" * 200_000)

        async with asyncio.timeout(WAIT_S):
            assert b"x" * 200_000 == await reader.read(-1)


async def test_instance_may_speak_first(authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        await reader.read()

    async with through(authority, serve) as (_, reader, _):
        assert b"220 ready\r\n" == await asyncio.wait_for(reader.readline(), WAIT_S)


async def test_client_may_end_first_and_still_read(authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        writer.write(b"answer to " + question)
        await writer.drain()

    async with through(authority, serve) as (_, reader, writer):
        writer.write(b"question")
        writer.write_eof()

        assert b"answer to question" == await asyncio.wait_for(reader.read(), WAIT_S)


async def test_instance_may_end_first_and_still_read(authority: Authority) -> None:
    got = asyncio.Event()
    rest: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        rest.append(await reader.read())
        got.set()

    async with through(authority, serve) as (_, reader, writer):
        assert b"bye" == await asyncio.wait_for(reader.read(), WAIT_S)
        writer.write(b"the rest")
        writer.write_eof()
        await asyncio.wait_for(got.wait(), WAIT_S)

    assert [b"the rest"] == rest


async def test_large_transfer_arrives_unharmed_both_ways(authority: Authority) -> None:
    size = 8 * 1024 * 1024
    sent = hashlib.sha256(b"abcdefgh" * (size // 8)).hexdigest()

    async with backend() as app, pair(authority, app) as (_, inbound, entry):
        async with calling(entry) as (reader, writer):
            writer.write(b"abcdefgh" * (size // 8))
            writer.write_eof()
            received = hashlib.sha256()
            while chunk := await asyncio.wait_for(reader.read(65_536), WAIT_S):
                received.update(chunk)
        await until(lambda: inbound.told.records)

    assert sent == received.hexdigest()
    assert size == inbound.record.bytes_sent


async def test_slow_reader_stops_the_sender(authority: Authority) -> None:
    """All that is on its way is in the kernel's buffers and two small ones of ours."""
    stalled = asyncio.Event()
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with suppress(TimeoutError):
            while sent < 2**28:
                writer.write(bytes(2**16))
                async with asyncio.timeout(0.5):
                    await writer.drain()
                sent += 2**16
        stalled.set()
        writer.transport.abort()

    async with through(authority, serve) as (inbound, reader, _):
        reader._transport.pause_reading()
        await asyncio.wait_for(stalled.wait(), 20)

    assert sent < 2**26
    record = (inbound.told.open + inbound.told.records)[0]
    assert record.bytes_sent <= sent + 2**23


async def test_reset_of_the_instance_is_passed_on(authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        resets = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, resets)

    async with backend(serve) as app, pair(authority, app) as (_, inbound, entry):
        async with calling(entry) as (reader, writer):
            writer.write(b"ping")

            assert "reset" == await ended(reader)
        await until(lambda: inbound.told.records)

    assert ["reset"] == inbound.record.flags
    assert "instance" in inbound.record.detail


async def test_client_that_vanishes_while_dialling_leaves_nothing(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        async with calling(entry):
            pass
        await until(lambda: site.told.records)

    assert [] == site.told.open


# Decisions.


async def test_denied_peer_reaches_nobody(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (_, inbound, entry):
        inbound.chains[0].change(mutual_chain(policy=allowing("other")))
        assert "end" == await refusal(entry)
        await until(lambda: inbound.told.records)

    assert ["denied"] == inbound.record.flags
    assert 0 == inbound.record.attempts


async def test_connection_is_told_with_who_calls_whom(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (_, inbound, entry):
        chain = inbound.chains[0]
        chain.change(msgspec.structs.replace(chain.chain, destination="api"))
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            (opened,) = inbound.told.open
            names = (opened.source, opened.destination, opened.route, opened.cluster)

    assert (
        "web",
        "api",
        chain.chain.routes[0].name,
        chain.chain.routes[0].clusters[0].cluster,
    ) == names


async def test_lost_access_cuts_the_open_connection_alone(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (_, inbound, entry):
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            inbound.chains[0].change(mutual_chain(policy=allowing("web", "more")))
            assert b"pong" == await ping(reader, writer, b"pong")

            inbound.chains[0].change(mutual_chain(policy=allowing("more")))

            assert "reset" == await ended(reader)
        await until(lambda: inbound.told.records)

    assert ["denied"] == inbound.record.flags


async def test_revoked_peer_is_cut(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (outbound, inbound, entry):
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)

            inbound.configure(revoked=(outbound.config.identities["web"].serial,))

            assert "reset" == await ended(reader)
        await until(lambda: inbound.told.records)

    assert "revoked" in inbound.record.detail


async def test_limited_connection_is_reset(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        site.chains[0].admits_more = False
        assert "reset" == await refusal(entry)
        await until(lambda: site.told.records)

    assert ["limited"] == site.record.flags


# Instances.


async def test_second_instance_is_tried_when_the_first_refuses(authority: Authority) -> None:
    async with backend() as gone:
        pass
    async with backend() as app, one(authority, app) as (site, entry):
        attempts = set()
        for _ in range(2):  # they take turns, and one of the two begins
            site.leads_to(at(gone, "node/gone"), at(app))
            async with calling(entry) as (reader, writer):
                assert b"ping" == await ping(reader, writer)
        await until(lambda: len(site.told.records) == 2)
        attempts = {record.attempts for record in site.told.records}

    assert 2 in attempts
    assert {"node/app"} == {record.endpoint for record in site.told.records}


async def test_client_is_reset_when_nobody_can_be_dialled(authority: Authority) -> None:
    async with backend() as gone:
        pass
    async with one(authority, gone) as (site, entry):
        assert "reset" == await refusal(entry)
        await until(lambda: site.told.records)

    assert ["connect-failure"] == site.record.flags
    assert "node/app" in site.record.detail


@pytest.mark.parametrize("chain", [FilterChain(), plain_chain()], ids=["no route", "no instance"])
async def test_chain_that_leads_nowhere_resets(authority: Authority, chain: FilterChain) -> None:
    site = Site(authority, "web", chain)
    site.leads_to()
    async with site.open() as entry:
        assert "reset" == await refusal(entry)


async def test_cluster_that_is_not_there_resets(authority: Authority) -> None:
    site = Site(authority, "web", plain_chain())
    async with site.open() as entry:
        assert "reset" == await refusal(entry)


async def test_retired_instance_drains_until_the_time_is_over(authority: Authority) -> None:
    async with backend() as app, backend() as other, one(authority, app) as (site, entry):
        site.configure(drain_s=0.2)
        async with calling(entry) as (reader, writer), calling(entry) as (kept, _):
            await ping(reader, writer)
            await until(lambda: all(record.endpoint for record in site.told.open))
            site.leads_to(at(other, "node/other"))
            assert b"ping" == await ping(reader, writer), "it may go on for now"

            assert "reset" == await ended(reader)
            assert "reset" == await ended(kept)
        async with calling(entry) as (reader, writer):
            assert b"ping" == await ping(reader, writer)

    assert ["drained"] == site.told.records[0].flags


async def test_instance_that_comes_back_stays(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        site.configure(drain_s=0.1)
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            site.leads_to()
            site.leads_to(at(app))
            await asyncio.sleep(0.2)

            assert b"ping" == await ping(reader, writer)


async def test_draining_chain_cuts_what_is_left_at_last(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        site.configure(drain_s=0.1)
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            site.chains[0].draining = True
            site.chains[0].change()
            assert b"ping" == await ping(reader, writer)

            assert "reset" == await ended(reader)


async def test_idle_connection_is_closed_and_a_busy_one_is_not(authority: Authority) -> None:
    async with backend() as app, one(authority, app, idle_timeout_s=0.3) as (site, entry):
        async with calling(entry) as (reader, writer):
            for _ in range(4):
                await asyncio.sleep(0.1)
                assert b"ping" == await ping(reader, writer)

            assert "end" == await ended(reader)
        await until(lambda: site.told.records)

    assert ["idle-timeout"] == site.record.flags


async def test_nothing_is_kept_of_a_connection_that_ended(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            assert 1 == len(site.chains[0]._calls)
            assert [1] == [instance.active for instance in site.upstreams["app"].instances()]
        await until(lambda: site.told.records)

        assert {} == site.chains[0]._calls
        assert [] == [instance.active for instance in site.upstreams["app"].instances()]
