"""Carriers, exchanges and answers that remember, and a clock that a test moves."""

from collections.abc import Callable
from typing import Any

from proxy.api import FilterChain, HttpOptions
from proxy.connection import Carrier, Handler
from proxy.deadlines import Deadlines
from proxy.http import Answer, Exchange, Fault, Headers, RequestHead, ResponseHead
from proxy.http2_client import Http2Client, KeepAlive
from proxy.http2_server import Http2Server
from tests.proxy.http2_speech import HEADERS, PREFACE, block, frame, parted, settings


class Wire(Carrier):
    """Keeps what is written, until it is taken."""

    alpn = "h2"

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False
        self.is_aborted = False

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if not self.is_closed:
            self.written += chunk

    def take(self) -> bytes:
        taken, self.written = self.written, b""
        return taken

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True


class Clock:
    def __init__(self) -> None:
        self.time_s = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def now_s(self) -> float:
        return self.time_s

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        entry = (self.time_s + delay_s, call)
        self._due.append(entry)
        return lambda: self._due.remove(entry) if entry in self._due else None

    def advance(self, by_s: float = 0.0) -> None:
        """Move time, and call what is due; 0 ends a turn of the loop."""
        end_s = self.time_s + by_s
        while due := [entry for entry in self._due if entry[0] <= end_s]:
            entry = min(due, key=lambda each: each[0])
            self._due.remove(entry)
            self.time_s = max(self.time_s, entry[0])
            entry[1]()
        self.time_s = end_s


class Chain:
    """What a codec asks of a `Serving`."""

    def __init__(self, clock: Clock, **http: int) -> None:
        self.chain = FilterChain(http=HttpOptions(**http))
        self.is_draining = False
        self.now_s = clock.now_s
        self.call_later = clock.call_later


class Asked(Exchange):
    """An exchange that does nothing by itself."""

    def __init__(self, head: RequestHead, answer: Answer) -> None:
        self.request = head
        self.answer = answer
        self.calls: list[Any] = []

    def body(self, chunk: bytes) -> None:
        self.calls.append(chunk)

    def end(self, trailers: Headers) -> None:
        self.calls.append(("end", trailers))

    def reset(self, fault: Fault) -> None:
        self.calls.append(fault)

    def answer_paused(self) -> None:
        self.calls.append("paused")

    def answer_resumed(self) -> None:
        self.calls.append("resumed")


class Site:
    """Opens exchanges; ``at_once`` is called within the opening."""

    def __init__(self, at_once: Callable[[RequestHead, Answer], None] | None = None) -> None:
        self.asked: list[Asked] = []
        self.refusals: list[tuple[int, str]] = []
        self._at_once = at_once

    def open(self, head: RequestHead, answer: Answer) -> Exchange:
        self.asked.append(Asked(head, answer))
        if self._at_once is not None:
            self._at_once(head, answer)
        return self.asked[-1]

    def refused(self, status: int, detail: str) -> None:
        self.refusals.append((status, detail))


class Heard:
    """Takes an instance's answer."""

    def __init__(self) -> None:
        self.heads: list[ResponseHead] = []
        self.calls: list[Any] = []

    def informational(self, head: ResponseHead) -> None:
        self.heads.append(head)
        self.calls.append("informational")

    def head(self, head: ResponseHead, *, end: bool) -> None:
        self.heads.append(head)
        self.calls.append(("head", head.status, end))

    def body(self, chunk: bytes) -> None:
        self.calls.append(chunk)

    def end(self, trailers: Headers) -> None:
        self.calls.append(("end", trailers))

    def switched(self, head: ResponseHead) -> None:
        self.heads.append(head)
        self.calls.append("switched")

    def reset(self, fault: Fault) -> None:
        self.calls.append(fault)

    def request_paused(self) -> None:
        self.calls.append("paused")

    def request_resumed(self) -> None:
        self.calls.append("resumed")


class Owner:
    """Remembers what a connection said of itself."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def made(self, connection: Any) -> None:
        self.said.append("made")

    def freed(self, connection: Any) -> None:
        self.said.append("freed")

    def ended(self, connection: Any) -> None:
        self.said.append("ended")


class World:
    """A server and a client, each with its carrier; `carry` takes bytes between them."""

    def __init__(
        self,
        site: Site | None = None,
        keep_alive: KeepAlive | None = None,
        **http: int,
    ) -> None:
        self.clock = Clock()
        self.serving: Any = Chain(self.clock, **http)
        self.site = site or Site()
        deadlines = Deadlines(self.clock.now_s, self.clock.call_later)
        self.server = Http2Server(self.serving, self.site, deadlines)
        self.owner = Owner()
        self.client = Http2Client(
            self.owner,
            self.clock.now_s,
            self.clock.call_later,
            keep_alive=keep_alive or KeepAlive(),
        )
        self.server_wire, self.client_wire = Wire(), Wire()

    def greet(self) -> "World":
        """Connect the two."""
        self.server.connection_made(self.server_wire)
        self.client.connection_made(self.client_wire)
        self.carry()
        return self

    def carry(self) -> None:
        """Carry bytes to and fro until both are silent."""
        self.clock.advance()
        while self.server_wire.written or self.client_wire.written:
            carry_one(self.client_wire, self.server)
            carry_one(self.server_wire, self.client)
            self.clock.advance()

    def ask(self, **fields: Any) -> tuple[Any, Heard]:
        heard = Heard()
        return self.client.open(request(**fields), heard), heard


def carry_one(wire: Wire, to: Handler) -> None:
    taken = wire.take()
    if taken:
        to.data_received(taken)


def request(**fields: Any) -> RequestHead:
    base = {"method": b"GET", "scheme": b"http", "authority": b"web", "target": b"/", "headers": []}
    return RequestHead(**{**base, **fields})


def answer(status: int = 200, *headers: tuple[bytes, bytes]) -> ResponseHead:
    return ResponseHead(status=status, headers=list(headers))


class ServerWorld(World):
    """A server whose client is what the test says."""

    def __init__(self, *sites: Site, **http: int) -> None:
        super().__init__(*sites, **http)
        self.server.connection_made(self.server_wire)
        self.say(PREFACE + settings(window=2**20))

    def say(self, spoken: bytes) -> list[tuple[int, int, int, bytes]]:
        """Give what the server says to it, but for its greeting."""
        self.server.data_received(spoken)
        return self.heard()

    def heard(self) -> list[tuple[int, int, int, bytes]]:
        self.clock.advance()
        return parted(self.server_wire.take())


class ClientWorld(World):
    """A client whose instance is what the test says."""

    def __init__(self, *said: bytes, keep_alive: KeepAlive | None = None) -> None:
        super().__init__(keep_alive=keep_alive)
        self.client.connection_made(self.client_wire)
        if said:
            self.say(b"".join(said))
        self.heard()
        self.owner.said.clear()

    def say(self, spoken: bytes) -> list[tuple[int, int, int, bytes]]:
        self.client.data_received(spoken)
        return self.heard()

    def heard(self) -> list[tuple[int, int, int, bytes]]:
        self.clock.advance()
        return parted(self.client_wire.take().removeprefix(PREFACE))


def status(stream_id: int, code: int = 200, *, end: bool = False) -> bytes:
    fields = block((b":status", b"%d" % code))
    return frame(HEADERS, 5 if end else 4, stream_id, fields)
