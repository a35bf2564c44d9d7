"""Texts by HTTP, and of files."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.mesh import fetch
from agent.mesh.fetch import fetch_text, read_text

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[str]:
    """A server that gives one answer to one client; its URL."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        gone.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield f"http://127.0.0.1:{port}/keys"
        await gone.wait()


async def test_the_text_at_a_url_is_fetched() -> None:
    async with server(HEAD % 4 + b"keys") as url:
        assert "keys" == await fetch_text(url, 5.0)


async def test_a_refusal_is_an_error_that_names_the_url() -> None:
    async with server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as url:
        with pytest.raises(OSError, match="/keys: 404"):
            await fetch_text(url, 5.0)


async def test_a_text_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TEXT_BYTES_MAX", 3)
    async with server(HEAD % 4 + b"keys") as url:
        with pytest.raises(OSError, match="more than 3 bytes"):
            await fetch_text(url, 5.0)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client hangs up
        writer.close()
        await writer.wait_closed()
        gone.set()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        with pytest.raises(OSError, match="TimeoutError"):
            await fetch_text(f"http://127.0.0.1:{port}/", 0.05)
        await gone.wait()


def test_the_text_of_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"keys\xff")

    assert "keys\ufffd" == read_text(tmp_path / "keys")


def test_what_is_no_small_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (fetch.TEXT_BYTES_MAX + 1))
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "large", tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match=r"no file|more than|directory"):
            read_text(path)
