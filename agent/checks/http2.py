"""A short-lived HTTP/2 client connection: enough for one call or one ping.

The protocol is the h2 library's; here are only its bytes going in and out, every read bounded by
a size and by the caller's timeout. Source: RFC 9113.
"""

from typing import Final

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from agent.checks.dial import Stream, reason
from agent.checks.tcp import close_quietly

READ_BYTES_MAX: Final = 64 << 10  # one read from the socket
ANSWER_BYTES_MAX: Final = 64 << 10  # a health answer has 7 bytes; more is some other service
CONVERSATION_BYTES_MAX: Final = 1 << 20  # all frames of a run; a peer that chatters is cut off
PING_PAYLOAD: Final = b"\0checks\0"  # 8 bytes, echoed by the peer

Headers = list[tuple[str, str]]


class Http2Error(Exception):
    """The peer broke off or does not speak HTTP/2; ``str()`` says how."""


class Answer(msgspec.Struct):
    """A response as it arrives. ``headers`` holds the header and trailer fields together."""

    headers: dict[str, str] = {}
    body: bytearray = msgspec.field(default_factory=bytearray)
    is_complete: bool = False


class Http2Client:
    """One connection as a client; closed by ``close``."""

    def __init__(self, stream: Stream) -> None:
        self._reader, self._writer = stream
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._read_bytes = 0
        self._h2.initiate_connection()

    async def ping(self) -> None:
        """Return once the peer has answered a PING. Raises Http2Error."""
        self._h2.ping(PING_PAYLOAD)
        while True:
            for event in await self._exchange():
                if isinstance(event, PingAckReceived) and event.ping_data == PING_PAYLOAD:
                    return

    async def call(self, headers: Headers, body: bytes) -> Answer:
        """Send one request and return its whole answer. Raises Http2Error."""
        stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream_id, headers)
        self._h2.send_data(stream_id, body, end_stream=True)
        answer = Answer()
        while not answer.is_complete:
            for event in await self._exchange():
                self._take(event, answer)
        return answer

    def close(self) -> None:
        """Drop the connection at once."""
        close_quietly(self._writer)

    def _take(self, event: Event, answer: Answer) -> None:
        match event:
            case ResponseReceived() | TrailersReceived():
                answer.headers |= {_text(name): _text(value) for name, value in event.headers}
            case DataReceived():
                answer.body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if len(answer.body) > ANSWER_BYTES_MAX:
                    raise Http2Error(f"answer exceeds {ANSWER_BYTES_MAX} bytes")
            case StreamEnded():
                answer.is_complete = True
            case StreamReset():
                raise Http2Error(f"stream reset by peer: {_error_name(event.error_code)}")
            case _:
                return

    async def _exchange(self) -> list[Event]:
        """Send what is due, then wait for the peer's next bytes."""
        try:
            self._writer.write(self._h2.data_to_send())
            received = await self._reader.read(READ_BYTES_MAX)
            if not received:
                raise Http2Error("connection closed by peer")
            self._read_bytes += len(received)
            if self._read_bytes > CONVERSATION_BYTES_MAX:
                raise Http2Error(f"peer sent more than {CONVERSATION_BYTES_MAX} bytes")
            events = self._h2.receive_data(received)
        except ProtocolError as error:
            raise Http2Error(f"not HTTP/2: {error}") from None
        except OSError as error:
            raise Http2Error(reason(error)) from None
        for event in events:
            if isinstance(event, ConnectionTerminated):
                code = _error_name(event.error_code)
                raise Http2Error(f"connection terminated by peer: {code}")
        return events


def _text(field: str | bytes) -> str:
    return field if isinstance(field, str) else field.decode("utf-8", "replace")


def _error_name(code: "ErrorCodes | int | None") -> str:
    return code.name if isinstance(code, ErrorCodes) else str(code)
