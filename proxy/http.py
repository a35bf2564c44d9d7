"""How the two sides of an HTTP exchange talk, whichever version each side speaks.

A server codec (HTTP/1 or HTTP/2) reads requests from a connection and opens an `Exchange` for each;
the exchange decides, and opens a request at a client codec of the version that its endpoint
speaks. Each step is one call; nothing here waits.

    client ══► server codec ──Exchange.*──► exchange ──Request.*──► client codec ══► instance
    client ◄══ server codec ◄──Answer.*──── exchange ◄──Response.*── client codec ◄══ instance

Header names and values are bytes as they came, in their order and case (lower case in HTTP/2);
framing headers (content-length, transfer-encoding, connection and what it names, te, upgrade,
host) are told apart by the codecs, as written at each field.
"""

from enum import StrEnum
from typing import Protocol

import msgspec

Headers = list[tuple[bytes, bytes]]


class RequestHead(msgspec.Struct, kw_only=True):
    """A request before its body.

    ``headers`` has no hop-by-hop header and no Host (that is ``authority``); Content-Length stays
    in it, and is checked against the body by the codecs. ``target`` is the path and query bytes
    unchanged, also ``*``; an absolute form was taken apart. ``upgrade``: the protocol that is asked
    for (``websocket``; HTTP/2: extended CONNECT), empty for what is not passed on. ``has_body``:
    false if none can follow. ``expects_continue``: the client waits for 100 before it sends it.
    """

    method: bytes
    scheme: bytes
    authority: bytes
    target: bytes
    headers: Headers
    version: str = "1.1"
    has_body: bool = False
    upgrade: bytes = b""
    expects_continue: bool = False


class ResponseHead(msgspec.Struct, kw_only=True):
    """An answer before its body; ``headers`` as for requests. ``reason`` is HTTP/1's phrase."""

    status: int
    headers: Headers
    reason: bytes = b""
    version: str = "1.1"


class Fault(StrEnum):
    """Why one side of an exchange ended before its time."""

    CONNECT = "connect-failure"
    """No connection could be made: nothing was sent."""
    STALE = "stale-connection"
    """A kept connection was closed before any byte of an answer came."""
    RESET = "reset"
    """The connection ended, or the stream was reset, in the middle."""
    REFUSED = "refused-stream"
    """HTTP/2 said that the request was not touched."""
    PROTOCOL = "protocol-error"
    """The peer broke the rules."""
    TIMEOUT = "timeout"
    """Nothing came in time."""
    OVERFLOW = "overflow"
    """A limit was reached here."""
    CLIENT = "client-gone"
    """The client went away."""
    DENIED = "denied"
    """The client lost access while it was served."""


class Answer(Protocol):
    """The client's side, as an exchange sees it; given by a server codec."""

    def informational(self, head: ResponseHead) -> None:
        """Pass on a 1xx answer (100 is sent only to who expects it)."""

    def head(self, head: ResponseHead, *, end: bool) -> None:
        """Begin the final answer; ``end``: no body and no trailers follow."""

    def body(self, chunk: bytes) -> None:
        """A part of the body. `Exchange.answer_paused` says enough."""

    def end(self, trailers: Headers) -> None:
        """The answer is complete."""

    def whole(self, head: ResponseHead, body: bytes) -> None:
        """The final answer at once: its head, and all of a body that is not empty."""
        self.head(head, end=False)
        self.body(body)
        self.end([])

    def switch(self, head: ResponseHead) -> None:
        """Accept the upgrade (101, or 200 to extended CONNECT): from now on both bodies are the
        raw bytes of a tunnel, ended by `end` and `Exchange.end` as half-closes.
        """

    def reset(self, fault: Fault) -> None:
        """Cut the answer short so that the client notices (close, RST_STREAM)."""

    def pause(self) -> None:
        """Read no more of the request's body for now."""

    def resume(self) -> None:
        """Undo `pause`."""


class Exchange(Protocol):
    """One request from its head to its end; called by the server codec."""

    def body(self, chunk: bytes) -> None:
        """A part of the request's body."""

    def end(self, trailers: Headers) -> None:
        """The request is complete."""

    def reset(self, fault: Fault) -> None:
        """The client gave up; nothing is called after it."""

    def answer_paused(self) -> None:
        """The client takes no more for now."""

    def answer_resumed(self) -> None:
        """Undo `answer_paused`."""


class Exchanges(Protocol):
    """Opens exchanges for one accepted connection."""

    def open(self, head: RequestHead, answer: Answer) -> Exchange:
        """Begin. May answer at once, within the call."""

    def refused(self, status: int, detail: str) -> None:
        """A request that could not be read was answered with ``status`` (for logs and counts)."""


class Request(Protocol):
    """A request at an instance, as an exchange sees it; given by a client codec."""

    def body(self, chunk: bytes) -> None:
        """A part of the body. `Response.request_paused` says enough."""

    def end(self, trailers: Headers) -> None:
        """The request is complete."""

    def reset(self, fault: Fault) -> None:
        """Give up; nothing is called after it."""

    def pause(self) -> None:
        """Read no more of the answer for now."""

    def resume(self) -> None:
        """Undo `pause`."""

    @property
    def bytes_sent(self) -> int:
        """Bytes of this request that were handed to the connection; 0: it never reached anyone."""


class Response(Protocol):
    """Takes an instance's answer; called by the client codec."""

    def informational(self, head: ResponseHead) -> None:
        """A 1xx answer, but 101."""

    def head(self, head: ResponseHead, *, end: bool) -> None:
        """The final answer begins."""

    def body(self, chunk: bytes) -> None:
        """A part of its body."""

    def end(self, trailers: Headers) -> None:
        """It is complete."""

    def whole(self, head: ResponseHead, body: bytes) -> None:
        """The final answer at once: its head, and all of a body that is not empty."""
        self.head(head, end=False)
        self.body(body)
        self.end([])

    def switched(self, head: ResponseHead) -> None:
        """The upgrade was accepted: both bodies are raw bytes from now on."""

    def reset(self, fault: Fault) -> None:
        """It ended before its time; nothing is called after it."""

    def request_paused(self) -> None:
        """The instance takes no more for now."""

    def request_resumed(self) -> None:
        """Undo `request_paused`."""


class ClientConnection(Protocol):
    """A connection to an instance that requests are opened at."""

    @property
    def room(self) -> int:
        """How many requests can be opened now; 0 for one that is busy, closing or used up."""

    def open(self, head: RequestHead, response: Response) -> Request:
        """Send a head. ``room`` must not be 0."""

    def close(self) -> None:
        """Open no more, end when what is open has ended."""
