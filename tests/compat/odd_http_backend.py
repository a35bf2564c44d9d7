"""An HTTP/1 instance that records what it is sent, and answers what it was told to.

It reads by the letter of RFC 9112, so that a request that a proxy made up of parts of another one
is seen as what it is. Its loop has a thread of its own; tests talk to it in plain calls.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from typing_extensions import override

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
NOTHING = b""
PROBE = "/probe"
PROBE_STATUS = 299
PROBE_ANSWER = b"HTTP/1.1 299 Probed\r\nContent-Length: 0\r\n\r\n"
STOP_WAIT_S = 5.0
PAUSE_S = 1.0
RECEIVE_BUFFER_BYTES = 65_536
# What every proxy adds in its own way, and what tells nothing of the request.
ADDED = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-request-id"}) | {
    "x-envoy-internal",
    "x-envoy-external-address",
}
SWITCHING = b"HTTP/1.1 101"


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked to each request: once its head is there, and once it is whole.

    ``closes``: the connection ends after the last of it; ``pauses``: nothing is read after a head
    for a while; ``delay_s``: before the answer to a whole request. An answer of 101 begins an echo.
    """

    on_head: bytes = NOTHING
    on_whole: bytes = OK
    closes: bool = False
    pauses: bool = False
    delay_s: float = 0.0


class Backend:
    """The instance. ``raw`` is all that came over all connections since `begin`.

    ``asked``: a whole request came; ``left``: a connection that one came over has ended.
    """

    def __init__(self) -> None:
        self.port = 0
        self.raw = bytearray()
        self.seen: list[str] = []
        self.script = Script()
        self.asked = threading.Event()
        self.left = threading.Event()

    def begin(self, script: Script) -> None:
        """Forget what was seen, and answer as told from now on."""
        self.raw.clear()
        self.seen.clear()
        self.asked.clear()
        self.left.clear()
        self.script = script


@contextmanager
def running_backend() -> Iterator[Backend]:
    """An instance at a free port of loopback."""
    backend = Backend()
    loop = asyncio.new_event_loop()
    made = loop.create_server(lambda: _Connection(backend), "127.0.0.1", 0)
    server = loop.run_until_complete(made)
    listening = server.sockets[0]
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    backend.port = listening.getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield backend
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_WAIT_S)
        server.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


class _Connection(asyncio.Protocol):
    """One connection: requests one after the other, or an echo."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._unread = b""
        self._head: Head | None = None
        self._is_tunnel = False
        self._script: Script | None = None  # of the request that came last

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._script is self._backend.script:
            self._backend.left.set()

    @override
    def data_received(self, data: bytes) -> None:
        self._backend.raw += data
        self._unread += data
        while self._unread and self._step():
            pass

    def _step(self) -> bool:
        if self._is_tunnel:
            self._transport.write(self._unread)
            self._unread = b""
            return False
        if self._head is None:
            text, mark, rest = self._unread.partition(b"\r\n\r\n")
            if not mark:
                return False
            self._unread = rest
            self._head = read_head(text)
            if self._head.target != PROBE:
                self._say(self._backend.script.on_head)
                self._pause()
        whole = read_body(self._head, self._unread)
        if whole is None:
            return False
        body, trailers, self._unread = whole
        head, self._head = self._head, None
        if head.target == PROBE:
            self._transport.write(PROBE_ANSWER)
            return True
        backend = self._backend
        backend.seen.append(shown(head, body, trailers))
        self._script = backend.script
        if backend.script.delay_s:
            asyncio.get_running_loop().call_later(backend.script.delay_s, self._answer)
        else:
            self._answer()
        backend.asked.set()
        return True

    def _answer(self) -> None:
        assert self._script is not None
        self._say(self._script.on_whole)
        if self._script.closes:
            self._transport.close()

    def _pause(self) -> None:
        if self._backend.script.pauses:
            self._transport.pause_reading()
            loop = asyncio.get_running_loop()
            loop.call_later(PAUSE_S, self._transport.resume_reading)

    def _say(self, text: bytes) -> None:
        self._transport.write(text)
        self._is_tunnel = self._is_tunnel or text.startswith(SWITCHING)


class Head(msgspec.Struct, frozen=True):
    """A request's head, by the letter."""

    method: str
    target: str
    version: str
    fields: list[tuple[str, str]]

    def value(self, name: str) -> str:
        """A header's value; empty if it is not there."""
        return ", ".join(value for other, value in self.fields if other.lower() == name)


def read_head(text: bytes) -> Head:
    """A head without its empty line."""
    line, *lines = text.decode("latin-1").split("\r\n")
    method, target, version = line.split(" ")
    return Head(method, target, version, [read_field(each) for each in lines])


def read_field(line: str) -> tuple[str, str]:
    """A header's name and value."""
    name, _, value = line.partition(":")
    return name, value.strip(" \t")


def read_body(head: Head, unread: bytes) -> tuple[bytes, list[tuple[str, str]], bytes] | None:
    """Body, trailers, and what comes after them; None while something is missing."""
    if head.value("transfer-encoding"):
        return read_chunks(unread)
    length = int(head.value("content-length") or 0)
    return None if len(unread) < length else (unread[:length], [], unread[length:])


def read_chunks(unread: bytes) -> tuple[bytes, list[tuple[str, str]], bytes] | None:
    """As `read_body`, for a body in chunks."""
    body = b""
    while True:
        line, mark, rest = unread.partition(b"\r\n")
        if not mark:
            return None
        size = int(line.partition(b";")[0], 16)
        if not size:
            break
        if len(rest) < size + 2:
            return None
        body, unread = body + rest[:size], rest[size + 2 :]
    trailers: list[tuple[str, str]] = []
    while True:
        line, mark, rest = rest.partition(b"\r\n")
        if not mark:
            return None
        if not line:
            return body, trailers, rest
        trailers.append(read_field(line.decode("latin-1")))


def shown(head: Head, body: bytes, trailers: list[tuple[str, str]]) -> str:
    """A request in one line: ``POST /a | host: web | x-a: 1 | = body | + trailer: 1``."""
    fields = [(name.lower(), value) for name, value in head.fields]
    parts = [f"{head.method} {head.target}"]
    parts += sorted(f"{name}: {value}" for name, value in fields if name not in ADDED)
    parts += [f"= {body.decode('latin-1')}"] if body else []
    parts += sorted(f"+ {name.lower()}: {value}" for name, value in trailers)
    return " | ".join(parts)
