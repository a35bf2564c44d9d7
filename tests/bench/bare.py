"""Bare responders: the least a Python server can do, as the measure for the product's rates.

HTTP parses each request with httptools on uvloop and writes one fixed answer; DNS copies the id of
each datagram into one fixed answer. Both answer the very bytes that the product answered, so that
a ratio compares the work and not the size.

    python -m tests.bench.bare http PORT ANSWER_FILE
    python -m tests.bench.bare dns PORT ANSWER_FILE
"""

import asyncio
import sys
from pathlib import Path

import httptools
import uvloop
from typing_extensions import override

LOOPBACK = "127.0.0.1"


class BareHttp(asyncio.Protocol):
    """Answers each whole request with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a request."""
        assert self.transport is not None
        self.transport.write(self.answer)


class BareDns(asyncio.DatagramProtocol):
    """Answers each datagram with the same bytes under the datagram's id."""

    def __init__(self, answer: bytes) -> None:
        self.tail = answer[2:]
        self.transport: asyncio.DatagramTransport | None = None

    @override
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self.transport is not None
        self.transport.sendto(data[:2] + self.tail, addr)


async def serve(kind: str, port: int, answer: bytes) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    if kind == "http":
        await loop.create_server(lambda: BareHttp(answer), LOOPBACK, port)
    else:
        await loop.create_datagram_endpoint(lambda: BareDns(answer), (LOOPBACK, port))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).read_bytes()))
