"""One connection of a client: the fast lane, and the hand-over to aiohttp.

While a connection is idle and a whole hot request is in the buffer, its answer is written at once
from the route's pure handler. Everything else goes to aiohttp's protocol unchanged. Heads are
collected here in either case, under a limit of size and of time.
"""

import asyncio
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from typing_extensions import override

from agent.clock import monotonic_s, wall_s
from agent.http.call import Answer, Call, HttpError
from agent.http.encode import render
from agent.http.fast import Answers, Block, Blocks, to_bytes
from agent.http.front import Front
from agent.http.hand_over import HandOver, SlowLane
from agent.http.route import Route, Write
from agent.rpc.remote_router import NotLocal

FAST_BODY_BYTES_MAX: Final = 64 * 1024  # a larger value is not worth holding up others for
PENDING_BYTES_MAX: Final = 64 * 1024  # pipelined requests that wait; more is left unread
_HEAD_END: Final = b"\r\n\r\n"
_VERSION: Final = b" HTTP/1.1"
# Parameters that ask for more than the state of now.
_SLOW_PARAMETERS: Final = (
    "index",
    "cached",
    "wait",
    "near",
)


class Listener:
    """What the connections of one listener share."""

    def __init__(self, front: Front, hand_over: HandOver) -> None:
        self.front = front
        self.hand_over = hand_over
        self.blocks = Blocks()
        self.answers = Answers(front.router.watch, front.router.unwatch)
        self.connections: set[Connection] = set()
        self.by_client: dict[str, int] = {}
        self._date_s = 0
        self._date = b""

    def date_line(self) -> bytes:
        """The Date field of now, made once a second."""
        now_s = int(wall_s())
        if now_s != self._date_s:
            self._date_s = now_s
            self._date = f"Date: {formatdate(now_s, usegmt=True)}\r\n".encode()
        return self._date

    def enter(self, connection: "Connection", client: str) -> bool:
        """Count a connection; False when its client has too many."""
        self.connections.add(connection)
        count = self.by_client.get(client, 0) + 1
        self.by_client[client] = count
        count_max = self.front.settings.connections_per_client_max
        return not client or not count_max or count <= count_max

    def leave(self, connection: "Connection", client: str) -> None:
        """Uncount a connection."""
        self.connections.discard(connection)
        count = self.by_client.get(client, 0) - 1
        if count > 0:
            self.by_client[client] = count
        else:
            self.by_client.pop(client, None)


class Connection(asyncio.Protocol):
    """A client's connection. All state is the loop's own thread's."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._front = listener.front
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._client = ""
        self._refused = False
        self._waiting = False  # a fast request waits for the log
        self._loading = False  # a request waits for aiohttp to be loaded
        self._choked = False  # the client does not read its answers
        self._unread = False  # what the client sends is left in its socket
        self._ended = False  # the client sends no more
        self._slow: SlowLane | None = None
        self._slow_due = False  # aiohttp has a request that it has not begun to answer
        self._body_bytes_due = 0  # of aiohttp's request; what comes after them is another
        self._slow_owns = False  # aiohttp may hold part of a request: it keeps the connection
        self._timer: asyncio.TimerHandle | None = None
        self._body_due = False  # the timer is for a body, not for a head

    # The life of the connection.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment] # uvloop's own class
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else ""
        self._refused = not self._listener.enter(self, self._client)
        if self._refused:
            self._start_timer(self._front.settings.head_timeout_s)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.leave(self, self._client)
        self._stop_timer()
        self._transport = None
        self._buffer = b""
        if self._slow is not None:
            self._slow.connection_lost(exc)

    @override
    def eof_received(self) -> bool | None:
        if self._slow is not None:
            self._slow.eof_received()
        # What came before the end is answered: a write in progress, and what stands behind it.
        self._ended = self._waiting or self._choked
        return self._ended

    @override
    def pause_writing(self) -> None:
        self._choked = True
        if self._slow is not None:
            self._slow.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._choked = False
        if self._slow is not None:
            self._slow.resume_writing()
        if not self._slow_is_busy():
            self._go_on()

    def close(self) -> None:
        """End the connection."""
        self._buffer = b""
        if self._transport is not None:
            self._transport.close()

    def finish(self) -> None:
        """End the connection once the write in progress is answered."""
        if self._waiting:
            self._ended = True
        else:
            self.close()

    def slow_began(self) -> None:
        """aiohttp has begun to answer: from now on it says itself whether it is busy."""
        self._slow_due = False

    # Bytes.

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._refuse()
        elif self._slow_is_busy():
            self._body_bytes_due -= len(data)
            self._slow_owns = self._slow_owns or self._body_bytes_due < 0
            assert self._slow is not None
            self._slow.data_received(data)
        elif self._is_held():
            self._buffer += data
            if len(self._buffer) > PENDING_BYTES_MAX and not self._unread and self._transport:
                self._unread = True
                self._transport.pause_reading()
        else:
            self._buffer = self._buffer + data if self._buffer else data
            self._serve()

    def _is_held(self) -> bool:
        """Whether what comes has to wait."""
        return self._waiting or self._loading or self._choked

    def _slow_is_busy(self) -> bool:
        if self._slow is None:
            return False
        return (
            self._slow_owns
            or self._slow_due
            or self._body_bytes_due > 0
            or self._slow._request_in_progress
        )

    def _go_on(self) -> None:
        """Serve what waited behind a write, for aiohttp or for a full connection."""
        if self._transport is None:
            return
        if self._unread:
            self._unread = False
            self._transport.resume_reading()
        if self._buffer:
            self._serve()
        if self._ended and not self._waiting and not self._choked:
            self.close()

    def _serve(self) -> None:
        """Answer requests from the buffer until it is used up or something has to be awaited."""
        buffer, start = self._buffer, 0
        head_bytes_max = self._front.settings.head_bytes_max
        while start < len(buffer) and not self._is_held():
            head_end = buffer.find(_HEAD_END, start)
            if head_end < 0 or head_end - start > head_bytes_max:
                self._buffer = buffer[start:]
                self._wait_for_head()
                return
            block = self._listener.blocks.read(buffer[buffer.find(b"\r\n", start) + 2 : head_end])
            end = head_end + len(_HEAD_END) + block.body_bytes
            if self._lacks_body(block, end - len(buffer)):
                break
            self._stop_timer()
            if not self._try_fast(buffer[start:end], head_end - start, block):
                self._buffer = buffer[start:]
                self._hand_over(head_end - start, block)
                return
            start = end
        self._buffer = buffer[start:]

    def _lacks_body(self, block: Block, bytes_due: int) -> bool:
        """Whether to wait for more: a request with a small body is begun when it is complete."""
        if bytes_due <= 0 or block.body_bytes > FAST_BODY_BYTES_MAX:
            return False
        if not self._body_due:
            self._stop_timer()
            self._body_due = True
            self._start_timer(self._front.settings.body_timeout_s)
        return True

    def _try_fast(self, request: bytes, head_end: int, block: Block) -> bool:
        """Answer a request; False if it is for aiohttp."""
        line_end = request.find(b"\r\n")
        if not block.suits or request[line_end - 9 : line_end] != _VERSION:
            return False
        target = request[4 : line_end - 9]
        if request.startswith(b"GET /"):
            return not block.body_bytes and self._fast_get(target, block)
        if request.startswith(b"PUT /v1/kv/"):
            return block.body_bytes <= FAST_BODY_BYTES_MAX and self._fast_put(
                target, block, request[head_end + len(_HEAD_END) :]
            )
        return False

    def _fast_get(self, target: bytes, block: Block) -> bool:
        key = target + b" " + block.variant
        answer = self._listener.answers.get(key)
        if answer is not None and self._front.router.is_newest:
            self._write(answer)
            return True
        call, route = self._route("GET", target, block, b"")
        if call is None or route is None:
            return False
        if call.query.raw and any(call.query.has(name) for name in _SLOW_PARAMETERS):
            return False
        began_s = monotonic_s()
        try:
            shown, watched = self._front.answer_now(route, call)
            answer = to_bytes(self._front.render(shown, call))
        except NotLocal:
            return self._get_soon(route, call)
        except Exception:  # noqa: BLE001 - the other lane runs it again and tells the client
            return False
        self._write(answer)
        if self._front.router.is_newest:
            self._listener.answers.keep(key, answer, watched)
        self._front.record("GET", route.pattern, monotonic_s() - began_s)
        return True

    def _get_soon(self, route: Route, call: Call) -> bool:
        """Answer a read that has to wait until this server is up to date."""
        began_s = monotonic_s()

        def done(answer: Answer) -> None:
            self._waiting = False
            self._front.record("GET", route.pattern, monotonic_s() - began_s)
            self._write(to_bytes(self._front.render(answer, call)))
            self._go_on()

        try:
            self._front.answer_soon(route, call, done)
        except Exception:  # noqa: BLE001 - the other lane runs it again and tells the client
            return False
        self._waiting = True
        return True

    def _fast_put(self, target: bytes, block: Block, body: bytes) -> bool:
        call, route = self._route("PUT", target, block, body)
        if call is None or route is None or not isinstance(route.action, Write):
            return False
        action, pattern, began_s = route.action, route.pattern, monotonic_s()

        def done(result: object) -> None:
            self._waiting = False
            self._front.record("PUT", pattern, monotonic_s() - began_s)
            if isinstance(result, Exception):
                answer = self._front.refusal(result, call, None)
            else:
                answer = Answer(json=result)
            self._write(to_bytes(self._front.render(answer, call)))
            if not answered_at_once:
                self._go_on()

        answered_at_once = True
        self._waiting = True
        try:
            self._front.router.submit(action.build(call), done)
        except Exception:  # noqa: BLE001 - the other lane runs it again and tells the client
            self._waiting = False
            return False
        answered_at_once = False
        return True

    def _route(
        self, method: str, target: bytes, block: Block, body: bytes
    ) -> tuple[Call | None, Route | None]:
        try:
            text = target.decode("ascii")
            if " " in text or not text.isprintable():
                return None, None
            found, query = self._front.found(method, text)
            call = Call(self._front, method, text, query, block.headers, body, self._client)
            route = self._front.route(found, call)
        except (HttpError, UnicodeDecodeError):
            return None, None
        if isinstance(route, Answer) or not route.fast:
            return None, None
        return call, route

    def _write(self, answer: bytes) -> None:
        if self._transport is not None:
            line_end = answer.find(b"\r\n") + 2
            self._transport.write(
                answer[:line_end] + self._listener.date_line() + answer[line_end:]
            )

    # The hand-over.

    def _hand_over(self, head_end: int, block: Block) -> None:
        """Give the buffer to aiohttp; the connection comes back if it was exactly one request."""
        if self._ended:
            return  # aiohttp takes a client that sends no more for one that has gone
        if self._slow is None:
            self._slow = self._listener.hand_over.slow_lane()
            if self._slow is None:
                self._loading = True
                self._listener.hand_over.load().add_done_callback(self._loaded)
                return
            assert self._transport is not None
            self._slow.connection_made(self._transport)
        data, self._buffer = self._buffer, b""
        self._body_bytes_due = head_end + len(_HEAD_END) + block.body_bytes - len(data)
        self._slow_owns = not block.suits or self._body_bytes_due < 0
        self._slow_due = True
        self._slow.data_received(data)

    def _loaded(self, loading: asyncio.Future[Any]) -> None:
        self._loading = False
        if loading.exception() is None:
            self._go_on()
        else:
            self._end_with(500)

    # Heads that do not come.

    def _wait_for_head(self) -> None:
        if len(self._buffer) > self._front.settings.head_bytes_max:
            self._end_with(431)
        elif self._timer is None:
            self._start_timer(self._front.settings.head_timeout_s)

    def _start_timer(self, timeout_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self.close)

    def _stop_timer(self) -> None:
        self._body_due = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        count_max = self._front.settings.connections_per_client_max
        self._end_with(
            429,
            f"Your IP is issuing too many concurrent connections, at most {count_max} are "
            "allowed (limits.http_max_conns_per_client)",
        )

    def _end_with(self, status: int, text: str = "") -> None:
        text = text or HTTPStatus(status).phrase
        answer = Answer(status=status, text=text, headers={"Connection": "close"})
        self._write(to_bytes(render(answer, [], pretty=False, gzip=False)))
        self.close()
