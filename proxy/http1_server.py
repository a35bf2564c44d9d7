"""The client's side of HTTP/1: reads requests from a connection, and writes their answers.

Requests that come before the one ahead was answered wait, unread and bounded, so answers keep their
order. What cannot be read is answered and the connection closed: what follows cannot be trusted.
A final answer to a request whose body is still coming closes the connection too; it is read from
for a little longer, because a reset would take the answer away from the client.

Source: RFC 9112 sections 2.2, 6, 7 and 9; RFC 9110 sections 7.8, 10.1.1 and 15.2.
"""

from typing import Final

from typing_extensions import override

from proxy.connection import Carrier, Handler
from proxy.core.http1_body import LAST_CHUNK, ChunkedBody, chunk_of, last_chunk
from proxy.core.http1_head import CHUNKED, HeadError, could_be_request, read_request
from proxy.core.http1_text import informational_text, refusal_text, response_text, switch_text
from proxy.deadlines import NEVER, Deadlines, Timed
from proxy.http import Answer, Exchange, Exchanges, Fault, Headers, RequestHead, ResponseHead
from proxy.http1_output import Output
from proxy.serving import Serving

WAITING_BYTES_MAX: Final = 65_536  # of requests that wait; what is more waits in the socket
HEAD_TIMEOUT_S: Final = 60.0  # a head fits a few packets; who trickles it holds a connection open
IDLE_TIMEOUT_S: Final = 3600.0  # Envoy's default between requests
DRAINING_IDLE_S: Final = 1.0  # for the request that may be on its way when draining begins
LINGER_S: Final = 5.0  # for a client to read an early answer before its connection goes
LINGER_BYTES_MAX: Final = 16 * 1024 * 1024  # of a body that nobody wants, read and dropped
HALF_CLOSED_S: Final = 1.0
"""Without a byte of an answer for a client that ended its sending side. It may be reading still;
but nearly all that do so have gone, and what they asked for should not go on for long."""

SWITCHING: Final = -3
"""In place of a body's length: an upgrade was asked for, and not answered yet."""
TUNNEL: Final = -4
"""In place of a body's length: raw bytes up to the connection's end."""


class Http1Server(Timed, Handler, Answer):
    """One accepted connection. It is the `Answer` of the exchange that is open on it."""

    def __init__(self, serving: Serving, exchanges: Exchanges, deadlines: Deadlines) -> None:
        self._serving = serving
        self._exchanges = exchanges
        self._deadlines = deadlines
        self._scheme = b"https" if serving.chain.tls is not None else b"http"
        self._carrier: Carrier
        self._output: Output
        self._unread = b""
        self._scanned = 0  # bytes of an open head that hold no end of it
        self._is_reading = False
        self._is_paused = False  # by the exchange
        self._is_full = False  # of what waits
        self._is_congested = False  # the client takes no more for now: no further request is read
        self._is_over = False  # no further request is read
        self._is_half_closed = False  # no further request comes
        self._dropped_bytes = 0
        self._exchange: Exchange | None = None
        self._head: RequestHead | None = None  # of the request that is being answered
        self._left = 0  # of its body
        self._chunked: ChunkedBody | None = None
        self._is_begun = False  # the answer's head was given
        self._is_answered = False
        self._is_tunnel = False
        self._writes_chunks = False
        self._closes = False

    # The connection.

    @override
    def connection_made(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._output = Output(carrier, self._serving.call_later)
        self._wait()

    @override
    def data_received(self, chunk: bytes) -> None:
        self._unread = self._unread + chunk if self._unread else chunk
        if not self._is_reading:
            self._read()

    @override
    def eof_received(self) -> bool:
        if self._left == TUNNEL and self._exchange is not None:
            self._left = 0
            self._exchange.end([])
            return not self._is_answered
        if self._head is None or self._is_over or self._left or self._chunked is not None:
            return False
        self._is_half_closed = True
        self._closes = self._closes or not self._unread
        self._stay()
        return True

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self._is_over = True
        self._deadlines.drop(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.reset(Fault.CLIENT)

    @override
    def pause_writing(self) -> None:
        self._is_congested = True
        if self._exchange is not None:
            self._exchange.answer_paused()

    @override
    def resume_writing(self) -> None:
        self._is_congested = False
        if self._exchange is not None:
            self._exchange.answer_resumed()
        elif self._unread and not self._is_reading:
            self._read()

    def cut(self, fault: Fault) -> None:
        """End what is open, if anything is."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._is_over = True
            exchange.reset(fault)
            self._carrier.abort()

    def changed(self) -> None:
        """Look again whether the connection should end."""
        if self._head is None and not self._is_over:
            self._wait()

    @override
    def expire(self, now_s: float) -> None:
        """No request came in time, or no end of its head, or no answer for who may be gone."""
        if self._is_half_closed and self._is_congested:
            self._stay()
        elif self._is_half_closed:
            self._is_over = True
            self._carrier.abort()
        elif self._unread and not self._is_over:
            self._refuse(HeadError("the request did not come in time", 408))
        else:
            self._is_over = True
            self._carrier.close()

    # Requests.

    def _read(self) -> None:
        self._is_reading = True
        try:
            while self._unread and self._take():
                pass
        except HeadError as error:
            self._refuse(error)
        finally:
            self._is_reading = False

    def _take(self) -> bool:
        """Take something off what is unread; false if it must wait."""
        if self._is_over:
            self._drop()
            return False
        if self._head is None and not self._is_congested:
            return self._take_head()
        if self._left > 0 or self._chunked is not None or self._left == TUNNEL:
            self._take_body()
            return True
        if len(self._unread) > WAITING_BYTES_MAX and not self._is_full:
            self._is_full = True
            self._carrier.pause_reading()
        return False

    def _take_head(self) -> bool:
        unread = self._unread
        if unread.startswith(b"\r\n"):  # RFC 9112 2.2: some clients end a body with one
            self._unread = unread[2:]
            return True
        limits = self._serving.chain.http
        end = unread.find(b"\r\n\r\n", self._scanned)
        if (end if end >= 0 else len(unread)) > limits.header_bytes_max:
            raise HeadError(f"the head has more than {limits.header_bytes_max} bytes", 431)
        if end < 0:
            if self._is_half_closed or not could_be_request(unread, self._scanned):
                raise HeadError("this is no HTTP/1 request")
            if not self._scanned:
                self._deadlines.set_due(self, self._serving.now_s() + HEAD_TIMEOUT_S)
            self._scanned = max(1, len(unread) - 3)
            return False
        line = read_request(unread[:end], scheme=self._scheme, count_max=limits.header_count_max)
        self._scanned = 0
        self._unread = unread[end + 4 :]
        self._head = line.head
        self._left = SWITCHING if line.head.upgrade else line.length
        if line.length == CHUNKED:
            self._chunked = ChunkedBody(
                trailer_bytes_max=limits.header_bytes_max,
                trailer_count_max=limits.header_count_max,
            )
        self._closes = not line.is_kept or (self._is_half_closed and not self._unread)
        self._is_begun = self._is_answered = self._writes_chunks = False
        self.due_s = NEVER
        if self._is_half_closed:
            self._stay()
        exchange = self._exchanges.open(line.head, self)
        if self._is_answered:  # within the call
            self._next()
        elif not self._is_over:
            self._exchange = exchange
        return True

    def _take_body(self) -> None:
        exchange = self._exchange
        assert exchange is not None, "a body belongs to an open exchange"
        unread, self._unread = self._unread, b""
        trailers: Headers = []
        if self._chunked is not None:
            content = self._chunked.feed(unread)
            if self._chunked.is_complete:
                trailers, self._unread = self._chunked.trailers, self._chunked.rest
                self._chunked, self._left = None, 0
        elif self._left == TUNNEL:
            content = unread
        elif len(unread) <= self._left:
            content = unread
            self._left -= len(content)
        else:
            content, self._unread = unread[: self._left], unread[self._left :]
            self._left = 0
        if content:
            exchange.body(content)
        if not self._left and self._exchange is exchange:
            exchange.end(trailers)

    def _refuse(self, error: HeadError) -> None:
        """Answer what cannot be read, unless something is half answered, and end."""
        exchange, self._exchange = self._exchange, None
        self._unread = b""
        self._is_over = True
        if exchange is not None:
            exchange.reset(Fault.PROTOCOL)
        if self._is_begun:
            self._carrier.abort()
            return
        detail = str(error)
        self._exchanges.refused(error.status, detail)
        self._output.write(refusal_text(error.status, detail))
        self._linger()

    def _wait(self) -> None:
        """Wait for a request, not for ever."""
        timeout_s = self._serving.chain.idle_timeout_s or IDLE_TIMEOUT_S
        if self._serving.is_draining:
            timeout_s = min(timeout_s, DRAINING_IDLE_S)
        self._deadlines.set_due(self, self._serving.now_s() + timeout_s)

    def _stay(self) -> None:
        """Go on for a client that ended its sending side."""
        self._deadlines.set_due(self, self._serving.now_s() + HALF_CLOSED_S)

    def _next(self) -> None:
        """The answer is complete: go on to the next request, or end."""
        self._exchange = None
        if 0 < self._left <= len(self._unread):  # a short body that came whole, and nobody wanted
            self._unread, self._left = self._unread[self._left :], 0
        if self._closes:
            self._is_over = True
            if self._left or self._chunked is not None:
                self._linger()
            else:
                self._output.flush()
                self._carrier.close()
            return
        self._head = None
        self._is_begun = False
        self._wait()
        if self._is_full or self._is_paused:
            self._is_full = self._is_paused = False
            self._carrier.resume_reading()
        if self._unread and not self._is_reading:
            self._read()

    def _linger(self) -> None:
        """Say that no more comes, and let the client read it: a close now would be a reset."""
        self._output.flush()
        self._carrier.write_eof()
        self._carrier.resume_reading()
        self._deadlines.set_due(self, self._serving.now_s() + LINGER_S)
        self._drop()

    def _drop(self) -> None:
        self._dropped_bytes += len(self._unread)
        self._unread = b""
        if self._dropped_bytes > LINGER_BYTES_MAX:
            self._carrier.close()

    # Answers.

    @override
    def informational(self, head: ResponseHead) -> None:
        request = self._head
        assert request is not None, "an answer belongs to a request"
        if request.version != "1.0" and (head.status != 100 or request.expects_continue):
            self._output.write(informational_text(head))

    @override
    def head(self, head: ResponseHead, *, end: bool) -> None:
        text = self._begin(head, end=end)
        if end:
            self._output.write(text)
            self._answered()
        else:
            self._output.hold(text)

    @override
    def whole(self, head: ResponseHead, body: bytes) -> None:
        text = self._begin(head, end=False)
        content = chunk_of(body) + LAST_CHUNK if self._writes_chunks else body
        self._output.write(text + content)
        self._answered()

    def _begin(self, head: ResponseHead, *, end: bool) -> bytes:
        """Begin the final answer: its head as it is to be sent."""
        request = self._head
        assert request is not None, "an answer belongs to a request"
        if self._left or self._chunked is not None or self._serving.is_draining:
            self._closes = self._closes or self._serving.is_draining or not self._has_all()
            if self._left == SWITCHING:
                self._left = 0
        message = response_text(head, request=request, end=end, closes=self._closes)
        self._writes_chunks, self._closes = message.is_chunked, message.closes
        self._is_begun = True
        if self._is_half_closed:
            self._stay()
        return message.text

    def _has_all(self) -> bool:
        """Whether all of the request is here, read or not."""
        if self._left == SWITCHING:
            return not self._unread
        return self._chunked is None and self._left <= len(self._unread)

    @override
    def body(self, chunk: bytes) -> None:
        if self._is_half_closed:
            self._stay()
        self._output.write(chunk_of(chunk) if self._writes_chunks else chunk)

    @override
    def end(self, trailers: Headers) -> None:
        if self._is_tunnel:
            self._is_answered = True
            (self._carrier.write_eof if self._left == TUNNEL else self._carrier.close)()
            return
        if self._writes_chunks:
            self._output.write(last_chunk(trailers))
        else:
            self._output.flush()
        self._answered()

    def _answered(self) -> None:
        self._is_answered = True
        if self._exchange is not None:  # else it is being opened, and looked at after that
            self._next()

    @override
    def switch(self, head: ResponseHead) -> None:
        request = self._head
        assert request is not None, "an answer belongs to a request"
        self._output.write(switch_text(head, request.upgrade))
        self._left = TUNNEL
        self._is_tunnel = self._is_begun = True
        if self._is_full:
            self._is_full = False
            if not self._is_paused:
                self._carrier.resume_reading()
        if not self._is_reading:
            self._read()

    @override
    def reset(self, fault: Fault) -> None:
        self._exchange = None
        self._is_over = True
        if self._writes_chunks:  # the last chunk is missing: that is noticed
            self._output.flush()
            self._carrier.close()
        else:
            self._carrier.abort()

    @override
    def pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            if not self._is_full:
                self._carrier.pause_reading()

    @override
    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if not self._is_full:
                self._carrier.resume_reading()
