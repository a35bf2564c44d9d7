"""Tests of proxy/l4.py: connections through one proxy, or through two with TLS between them."""

import asyncio
import hashlib
import socket
import struct
from contextlib import suppress

import pytest

from tests.proxy.authority import Authority
from tests.proxy.fakes import until
from tests.proxy.far_end import backend, calling
from tests.proxy.relays import WAIT_S, ended, one, pair, ping, through


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


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
