"""The instance's side of HTTP/1: writes requests to a connection, and reads their answers.

One request at a time. A connection is used again only after a request and an answer that both ended
in full, and only while nothing came that nobody asked for.

Source: RFC 9112 sections 6, 8 and 9; RFC 9110 sections 7.8 and 15.2.
"""

from typing import Final, Protocol

from typing_extensions import override

from proxy.connection import Carrier, Handler
from proxy.core.http1_body import ChunkedBody, chunk_of, last_chunk
from proxy.core.http1_head import (
    CHUNKED,
    UNTIL_CLOSE,
    HeadError,
    could_be_response,
    read_response,
)
from proxy.core.http1_text import request_text
from proxy.deadlines import CallLater
from proxy.http import (
    ClientConnection,
    Fault,
    Headers,
    Request,
    RequestHead,
    Response,
    ResponseHead,
)
from proxy.http1_output import Output

HEAD_BYTES_MAX: Final = 131_072  # as for requests: an answer sets cookies as large as it gets
HEADER_COUNT_MAX: Final = 1000  # an answer may set many cookies, each a header


class ConnectionOwner(Protocol):
    """Who keeps connections to instances."""

    def made(self, connection: ClientConnection) -> None:
        """It is ready for its first request."""

    def freed(self, connection: ClientConnection) -> None:
        """There is room again."""

    def ended(self, connection: ClientConnection) -> None:
        """It takes no more requests; may be told more than once."""


class Http1Client(Handler, ClientConnection, Request):
    """One connection. It is the `Request` that is open on it."""

    def __init__(self, owner: ConnectionOwner, call_later: CallLater) -> None:
        self._owner = owner
        self._call_later = call_later
        self._carrier: Carrier
        self._output: Output
        self._unread = b""
        self._scanned = 0  # bytes of an open head that hold no end of it
        self._response: Response | None = None  # of the request that is open
        self._head: RequestHead | None = None
        self._is_sent = True  # all of the request
        self._writes_chunks = False
        self._bytes_sent = 0
        self._is_begun = False  # the final answer's head was given
        self._left = 0  # of the answer's body
        self._chunked: ChunkedBody | None = None
        self._is_kept = True
        self._is_paused = False
        self._is_congested = False
        self._is_used = False  # an answer came over it
        self._is_tunnel = False
        self._is_heard = False  # a byte of the open request's answer came
        self._is_closed = False

    # For the pool and the exchange.

    @property
    @override
    def room(self) -> int:
        """1 if it is free."""
        return 0 if self._response is not None or self._is_closed else 1

    @property
    @override
    def bytes_sent(self) -> int:
        """Bytes of the open request that were handed to the connection."""
        return 0 if self._output.is_holding else self._bytes_sent

    @override
    def open(self, head: RequestHead, response: Response) -> Request:
        message = request_text(head)
        self._head = head
        self._response = response
        self._writes_chunks = message.is_chunked
        self._is_begun = self._is_heard = False
        self._bytes_sent = len(message.text)
        self._left = 0
        if head.has_body:
            self._is_sent = False
            self._output.hold(message.text)
        else:
            self._is_sent = not head.upgrade
            self._output.write(message.text)
        return self

    @override
    def close(self) -> None:
        self._is_kept = False
        if self._response is None:
            self._end()

    @override
    def body(self, chunk: bytes) -> None:
        self._bytes_sent += len(chunk)
        self._output.write(chunk_of(chunk) if self._writes_chunks else chunk)

    @override
    def end(self, trailers: Headers) -> None:
        if self._is_tunnel:
            self._is_sent = True
            if self._left:
                self._carrier.write_eof()
            else:
                self._response = None
                self._end()
            return
        if self._head is not None and self._head.upgrade:
            return  # a request for a tunnel has no body
        self._is_sent = True
        if self._writes_chunks:
            self._output.write(last_chunk(trailers))
        else:
            self._output.flush()

    @override
    def reset(self, fault: Fault) -> None:
        self._response = None
        self._end(abort=True)

    @override
    def pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._carrier.pause_reading()

    @override
    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._carrier.resume_reading()

    # For the carrier.

    @override
    def connection_made(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._output = Output(carrier, self._call_later)
        self._owner.made(self)

    @override
    def data_received(self, chunk: bytes) -> None:
        self._unread = self._unread + chunk if self._unread else chunk
        self._is_heard = True
        try:
            while self._unread and self._response is not None:
                if not (self._take_body() if self._is_begun else self._take_head()):
                    return
        except HeadError:
            self._fail(Fault.PROTOCOL)
            return
        if self._unread:  # nobody asked for it
            self._end(abort=True)

    @override
    def eof_received(self) -> bool:
        response = self._response
        if response is None:
            self._is_closed = True
            self._owner.ended(self)
            return False
        if self._is_tunnel:
            self._left = 0
            if self._is_sent:
                self._response = None
            response.end([])
            return not self._is_sent
        if self._is_begun and self._left == UNTIL_CLOSE:
            self._finish([])
        return False

    @override
    def connection_lost(self, error: Exception | None) -> None:
        is_stale = self._is_used and not self._is_heard
        self._fail(Fault.STALE if is_stale else Fault.RESET)

    @override
    def pause_writing(self) -> None:
        self._is_congested = True
        if self._response is not None:
            self._response.request_paused()

    @override
    def resume_writing(self) -> None:
        self._is_congested = False
        if self._response is not None:
            self._response.request_resumed()

    # Reading answers.

    def _take_head(self) -> bool:
        unread, request, response = self._unread, self._head, self._response
        assert request is not None, "an answer belongs to a request"
        assert response is not None, "an answer belongs to a request"
        end = unread.find(b"\r\n\r\n", self._scanned)
        if (end if end >= 0 else len(unread)) > HEAD_BYTES_MAX:
            raise HeadError("the answer's head is too large")
        if end < 0:
            if not could_be_response(unread, self._scanned):
                raise HeadError("this is no HTTP/1 answer")
            self._scanned = max(1, len(unread) - 3)
            return False
        line = read_response(unread[:end], method=request.method, count_max=HEADER_COUNT_MAX)
        self._scanned = 0
        self._unread = unread[end + 4 :]
        status = line.head.status
        if status == 101:
            self._switch(line.head)
        elif status < 200:
            response.informational(line.head)
        else:
            self._is_begun = self._is_used = True
            self._left = line.length
            self._is_kept = self._is_kept and line.is_kept
            if not line.length:
                self._finish_with(line.head)
            elif line.length == len(self._unread):  # all of it is here, as of most answers
                body, self._unread = self._unread, b""
                self._free().whole(line.head, body)
            else:
                if line.length == CHUNKED:
                    self._chunked = ChunkedBody(
                        trailer_bytes_max=HEAD_BYTES_MAX, trailer_count_max=HEADER_COUNT_MAX
                    )
                response.head(line.head, end=False)
        return True

    def _switch(self, head: ResponseHead) -> None:
        assert self._head is not None, "an answer belongs to a request"
        assert self._response is not None, "an answer belongs to a request"
        if not self._head.upgrade:
            raise HeadError("an upgrade that nobody asked for")
        self._is_begun = self._is_used = True
        self._is_kept = False
        self._is_tunnel = True
        self._left = UNTIL_CLOSE
        self._response.switched(head)

    def _take_body(self) -> bool:
        response = self._response
        assert response is not None, "an answer belongs to a request"
        unread, self._unread = self._unread, b""
        if self._chunked is not None:
            chunked = self._chunked
            content = chunked.feed(unread)
            if content:
                response.body(content)
            if chunked.is_complete and self._response is response:
                self._unread = chunked.rest
                self._finish(chunked.trailers)
        elif self._left > 0:
            content = unread
            if len(unread) > self._left:
                content, self._unread = unread[: self._left], unread[self._left :]
            self._left -= len(content)
            response.body(content)
            if not self._left and self._response is response:
                self._finish([])
        else:
            response.body(unread)
        return True

    def _finish_with(self, head: ResponseHead) -> None:
        """The answer is complete with its head."""
        response = self._free()
        response.head(head, end=True)

    def _finish(self, trailers: Headers) -> None:
        """The answer is complete."""
        response = self._free()
        response.end(trailers)

    def _free(self) -> Response:
        """Be free for another request, if this one left the connection in order."""
        response = self._response
        assert response is not None, "what is over was open"
        self._response = self._chunked = None
        self._left = 0
        if self._is_paused:
            self.resume()
        if self._is_kept and self._is_sent and not self._unread and not self._is_congested:
            self._owner.freed(self)
        else:
            self._end()
        return response

    def _fail(self, fault: Fault) -> None:
        response, self._response = self._response, None
        self._end(abort=True)
        if response is not None:
            response.reset(fault)

    def _end(self, *, abort: bool = False) -> None:
        """Take no more requests, and close."""
        self._is_kept = False
        if not self._is_closed:
            self._is_closed = True
            self._owner.ended(self)
            if abort:
                self._carrier.abort()
            else:
                self._carrier.close()
