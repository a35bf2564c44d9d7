"""A client that says anything to an HTTP/2 proxy, and tells in one line what came of it."""

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Final

import msgspec
from hpack import Decoder

from tests.compat.odd_http1_client import SILENCE_S, WAIT_S, probe
from tests.compat.odd_http_backend import Backend, Script
from tests.compat.odd_http_proxies import Expected
from tests.proxy.http2_speech import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    settings,
)

STUCK: Final = "stuck"
LAST_PING: Final = b"the last"
HELLO: Final = PREFACE + settings(window=1 << 20)
CODES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is said after the greeting, and what must become of it.

    ``heard``: for each of ``streams`` its statuses and its error (``-``: nothing), then GOAWAY's
    error, then ``open`` or ``closed``. ``then`` is said once the first of the streams was answered.
    ``has``: fields that the client hears, ``content`` its body. ``greeting`` may be another one.
    """

    name: str
    spoken: bytes
    heard: str
    seen: tuple[str, ...] | None = ()
    streams: tuple[int, ...] = (1,)
    script: Script = Script()
    then: bytes = b""
    has: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    greeting: bytes = HELLO
    envoy: Expected | None = None
    why: str = ""

    def expected(self, side: str) -> Expected:
        """What becomes of it at one of the proxies."""
        if side == "envoy" and self.envoy is not None:
            return self.envoy
        return Expected(self.heard, self.seen)


class Told(msgspec.Struct, frozen=True):
    """What became of it, and what the client heard."""

    outcome: Expected
    fields: list[tuple[str, str]]
    content: bytes


def converse(case: Case, heard: str, port: int, backend: Backend) -> Told:
    """Say a case's words, and listen until all streams have ended, and then to a last ping.

    ``heard`` says how long to listen to that.
    """
    backend.begin(case.script)
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock:
        ears = Ears(sock)
        ears.say(case.greeting + case.spoken)
        if case.then:
            ears.listen(lambda: bool(ears.statuses.get(case.streams[0])))
            ears.say(case.then)
        tunnelled = case.content if case.then else None
        ears.listen(lambda: ears.ended.issuperset(case.streams) or ears.content == tunnelled)
        ears.say(frame(PING, 0, 0, LAST_PING))
        ears.listen(lambda: ears.is_pinged, SILENCE_S if STUCK in heard else WAIT_S)
        ending = "closed" if ears.is_over else "open" if ears.is_pinged else STUCK
    probe(port)
    parts = [ears.told(stream_id) for stream_id in case.streams]
    parts += [f"GOAWAY:{ears.away}"] if ears.away not in {"", "NO_ERROR"} else []
    outcome = Expected(" ".join([*parts, ending]), tuple(backend.seen))
    return Told(outcome, ears.fields, ears.content)


class Ears:
    """What comes over one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unread = b""
        self._decoder = Decoder()
        self._block = b""
        self.statuses: dict[int, list[str]] = {}
        self.errors: dict[int, str] = {}
        self.ended: set[int] = set()
        self.fields: list[tuple[str, str]] = []
        self.content = b""
        self.away = ""
        self.is_pinged = False
        self.is_over = False

    def told(self, stream_id: int) -> str:
        """What came on a stream."""
        parts = [*self.statuses.get(stream_id, []), self.errors.get(stream_id, "")]
        return ",".join(part for part in parts if part) or "-"

    def say(self, spoken: bytes) -> None:
        """Send, unless it is over."""
        with contextlib.suppress(OSError):  # what was said before the end is still to be heard
            self._sock.sendall(spoken)

    def listen(self, is_enough: Callable[[], bool], wait_s: float = WAIT_S) -> None:
        """Take frames until that is enough, or nothing comes."""
        deadline_s = time.monotonic() + wait_s
        while not self.is_over and not is_enough():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return
            self._sock.settimeout(left_s)
            try:
                chunk = self._sock.recv(1 << 20)
            except TimeoutError:
                return
            except OSError:
                chunk = b""
            self.is_over = not chunk
            self._unread += chunk
            self._part()

    def _part(self) -> None:
        while len(self._unread) >= 9:
            high, low, kind, flags, stream_id = struct.unpack_from(">BHBBI", self._unread)
            end = 9 + (high << 16 | low)
            if len(self._unread) < end:
                return
            payload, self._unread = self._unread[9:end], self._unread[end:]
            self._take(kind, flags, stream_id, payload)

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind in {HEADERS, CONTINUATION}:
            self._block += payload
            if flags & END_HEADERS:
                self._head(stream_id)
        elif kind == DATA:
            self.content += payload
        elif kind == RST_STREAM:
            self.errors.setdefault(stream_id, CODES[int.from_bytes(payload, "big")])
            self.ended.add(stream_id)
        elif kind == SETTINGS and not flags & ACK:
            self.say(frame(SETTINGS, ACK, 0))
        elif kind == PING and flags & ACK:
            self.is_pinged = self.is_pinged or payload == LAST_PING
        elif kind == GOAWAY:
            self.away = self.away or CODES[int.from_bytes(payload[4:8], "big")]
        if kind in {HEADERS, DATA} and flags & END_STREAM:
            self.ended.add(stream_id)

    def _head(self, stream_id: int) -> None:
        for name, value in self._decoder.decode(self._block, raw=True):
            field = (name.decode("latin-1"), value.decode("latin-1"))
            self.fields.append(field)
            if field[0] == ":status":
                self.statuses.setdefault(stream_id, []).append(field[1])
        self._block = b""
