"""What a peer's bytes mean to who uses an HTTP/2 connection; see `proxy.core.http2`."""

import msgspec

from proxy.http import Headers, RequestHead, ResponseHead


class _Event(msgspec.Struct, frozen=True, gc=False):
    """The base of all events."""


class Requested(_Event, frozen=True, gc=False):
    """A client opened a stream; ``end``: nothing follows the head."""

    stream_id: int
    head: RequestHead
    end: bool


class Unreadable(_Event, frozen=True, gc=False):
    """A client opened a stream with a head that is to be answered with ``status``."""

    stream_id: int
    status: int
    detail: str


class Answered(_Event, frozen=True, gc=False):
    """An instance sent a head, final or 1xx."""

    stream_id: int
    head: ResponseHead
    end: bool


class BodyPart(_Event, frozen=True, gc=False):
    """A part of a body, maybe empty. ``window_bytes`` are to be given back with `consume` once
    ``chunk`` was taken; they count padding too.
    """

    stream_id: int
    chunk: bytes
    window_bytes: int


class Ended(_Event, frozen=True, gc=False):
    """The peer's side of a stream is complete."""

    stream_id: int
    trailers: Headers


class Broken(_Event, frozen=True, gc=False):
    """A stream ended before its time: reset by the peer, or by us for its fault, then with a
    ``detail``; that of a stream whose head was already wrong too.
    """

    stream_id: int
    code: int
    detail: str = ""


class Writable(_Event, frozen=True, gc=False):
    """A stream that `send` called full has room again."""

    stream_id: int


class Agreed(_Event, frozen=True, gc=False):
    """The peer's settings came, or changed."""


class Ponged(_Event, frozen=True, gc=False):
    """A PING of ours was answered."""

    payload: bytes


class GoingAway(_Event, frozen=True, gc=False):
    """The peer takes no more streams, and did not touch those above ``last_id``."""

    last_id: int
    code: int


class Failed(_Event, frozen=True, gc=False):
    """The peer broke a rule of the connection, which ends: `take`, send, and close."""

    code: int
    detail: str


Event = (
    Requested
    | Unreadable
    | Answered
    | BodyPart
    | Ended
    | Broken
    | Writable
    | Agreed
    | Ponged
    | GoingAway
    | Failed
)
