"""One connection between two agents, with many calls on it at the same time.

The end that dialled calls (``CallingEnd``), the end that accepted answers (``AnsweringEnd``); both
say hello, answer pings, and end a connection that breaks the rules or falls silent.

Back-pressure: a sender waits while its socket is full. Only the answering end also stops reading
then: what it does not read are new requests. The calling end always reads, so the two can never
wait for each other. Frames of one turn of the loop leave in one write.
"""

import asyncio
from collections.abc import Coroutine
from typing import Final, Protocol

import structlog
from typing_extensions import override

from agent.rpc import wire
from agent.rpc.request import RpcError
from agent.tasks import Tasks

CALLS_MAX: Final = 16_384  # at once on a connection: above the watches of a busy agent
SEND_BUFFER_BYTES: Final = 1024 * 1024  # one part: above it senders wait
KEEPALIVE_INTERVAL_S: Final = 15.0  # two silent ones end a connection: a dead host is seen in 30 s
CLOSE_GRACE_S: Final = 2.0  # for what is buffered to reach the other end, before it is dropped

_log = structlog.get_logger("agent.rpc")


class ConnectionLost(Exception):
    """The connection ended before the answer. ``sent``: the request may have been received."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Busy(RpcError):
    """More calls at once than a connection carries; the request was not sent."""

    def __init__(self) -> None:
        super().__init__(f"more than {CALLS_MAX} calls at once on a connection")


class _End(asyncio.Protocol):
    """What both ends do: hello, frames, pings, back-pressure, the end."""

    def __init__(self, hello: wire.Hello, handshake_timeout_s: float) -> None:
        self.peer: wire.Hello | None = None
        self.lost_reason = ""
        self._hello = hello
        self._handshake_timeout_s = handshake_timeout_s
        self._transport: asyncio.Transport | None = None
        self._reader = wire.FrameReader()
        self._bodies = wire.Bodies()
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self._pinged = False
        self._ended = asyncio.Event()

    # The transport's events.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's own class
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
        self._send(self._hello)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._handshake_timeout_s, self.close, "no hello in time")

    @override
    def data_received(self, data: bytes) -> None:
        self._heard = True
        try:
            for frame in self._reader.feed(data):
                if self._ended.is_set():
                    return
                self._take(frame)
        except wire.BadFrame as error:
            self.close(str(error))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc else "closed by the other end")

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    # The life of the connection.

    @property
    def usable(self) -> bool:
        """Whether the hellos were exchanged and the connection has not ended."""
        return self.peer is not None and not self._ended.is_set()

    def close(self, reason: str) -> None:
        """End the connection and tell the other end why."""
        if self._ended.is_set():
            return
        self._send(wire.Error(wire.CONNECTION_ID, "RpcError", reason))
        self._flush()
        self._end(reason)

    async def ended(self) -> None:
        """Wait for the end of the connection."""
        await self._ended.wait()

    def _end(self, reason: str) -> None:
        if self._ended.is_set():
            return
        self.lost_reason = self.lost_reason or reason
        self._ended.set()
        self._writable.set()  # who waits to send must learn of the end
        if self._timer is not None:
            self._timer.cancel()
        transport = self._transport
        if transport is not None:
            transport.close()
            if transport.get_write_buffer_size():
                asyncio.get_running_loop().call_later(CLOSE_GRACE_S, transport.abort)
        self._on_end()

    def _keep_alive(self) -> None:
        if not self._heard and self._pinged:
            self._end("no answer to a ping")
            return
        self._pinged = not self._heard
        self._heard = False
        if self._pinged:
            self._send(wire.Ping())
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(KEEPALIVE_INTERVAL_S, self._keep_alive)

    # Frames.

    def _take(self, frame: wire.Frame) -> None:
        match frame:
            case wire.Error(id=wire.CONNECTION_ID):
                self._end(frame.text)
            case wire.Hello():
                self._greet(frame)
            case _ if self.peer is None:
                raise wire.BadFrame("the first frame is no hello")
            case wire.Ping():
                self._send(wire.Pong())
            case wire.Pong():
                pass
            case wire.Part():
                if self._expects(frame.id):
                    self._bodies.add(frame)
            case _:
                self._handle(frame)

    def _greet(self, hello: wire.Hello) -> None:
        if self.peer is not None:
            raise wire.BadFrame("a second hello")
        if hello.version != wire.PROTOCOL_VERSION:
            raise wire.BadFrame(
                f"protocol version {hello.version}; only {wire.PROTOCOL_VERSION} is spoken here"
            )
        self.peer = hello
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(KEEPALIVE_INTERVAL_S, self._keep_alive)
        self._on_ready()

    def _send(self, frame: wire.Frame) -> None:
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        encoded = wire.encode(frame)
        self._outbox.append(encoded)
        self._outbox_bytes += len(encoded)
        if self._outbox_bytes > SEND_BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        self._outbox_bytes = 0
        if outbox and self._transport is not None and not self._ended.is_set():
            self._transport.write(b"".join(outbox))

    async def _send_parts(self, request_id: int, body: bytes) -> bytes:
        """Send all pieces of a body but the last, and give that one back."""
        *parts, last = wire.pieces(body)
        for piece in parts:
            await self._until_writable()
            self._send(wire.Part(request_id, piece))
        await self._until_writable()
        return last

    async def _until_writable(self) -> None:
        # All who wait wake up together, and the first may fill the socket again.
        while not self._writable.is_set():
            await self._writable.wait()

    def _expects(self, request_id: int) -> bool:
        """Whether a piece of a body with this id is wanted."""
        raise NotImplementedError

    def _handle(self, frame: wire.Frame) -> None:
        raise NotImplementedError

    def _on_ready(self) -> None:
        raise NotImplementedError

    def _on_end(self) -> None:
        raise NotImplementedError


class CallingEnd(_End):
    """The end that dialled: calls endpoints of the other end."""

    def __init__(self, hello: wire.Hello, handshake_timeout_s: float) -> None:
        super().__init__(hello, handshake_timeout_s)
        self._calls: dict[int, asyncio.Future[wire.Reply | wire.Error]] = {}
        self._last_id = 0
        self._greeted = asyncio.Event()
        self._retired = False

    async def greeted(self) -> wire.Hello:
        """Wait for the other end's hello. Raises ConnectionLost."""
        await self._greeted.wait()
        if not self.usable:
            raise ConnectionLost(self.lost_reason, sent=False)
        assert self.peer is not None
        return self.peer

    @property
    def call_count(self) -> int:
        """How many calls are not answered yet."""
        return len(self._calls)

    async def call(self, name: str, body: bytes) -> wire.Reply | wire.Error:
        """Call an endpoint; a caller that is cancelled cancels the work at the other end.

        Raises ConnectionLost, and Busy for more calls at once than CALLS_MAX.
        """
        if not self.usable:
            raise ConnectionLost(self.lost_reason, sent=False)
        if len(self._calls) >= CALLS_MAX:
            raise Busy
        self._last_id = request_id = self._last_id + 1
        answered: asyncio.Future[wire.Reply | wire.Error]
        answered = asyncio.get_running_loop().create_future()
        self._calls[request_id] = answered
        try:
            if not self._writable.is_set() or len(body) > wire.PART_BYTES:
                body = await self._send_parts(request_id, body)
            if not self.usable:
                # Parts alone start nothing at the other end.
                raise ConnectionLost(self.lost_reason, sent=False)
            self._send(wire.Request(request_id, name, body))
            return await answered
        except asyncio.CancelledError:
            if self.usable:
                self._send(wire.Cancel(request_id))
            raise
        finally:
            self._forget(request_id)

    def retire(self) -> None:
        """End the connection once its last call is answered."""
        self._retired = True
        self._close_if_done()

    def _forget(self, request_id: int) -> None:
        self._calls.pop(request_id, None)
        self._bodies.forget(request_id)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._retired and not self._calls:
            self.close("no longer needed")

    @override
    def _expects(self, request_id: int) -> bool:
        return request_id in self._calls

    @override
    def _handle(self, frame: wire.Frame) -> None:
        match frame:
            case wire.Reply():
                if frame.id in self._calls:
                    body = self._bodies.finish(frame.id, frame.body)
                    self._answer(wire.Reply(frame.id, body))
            case wire.Error():
                self._answer(frame)
            case _:
                raise wire.BadFrame(f"{type(frame).__name__} is for the answering end")

    def _answer(self, frame: wire.Reply | wire.Error) -> None:
        answered = self._calls.get(frame.id)  # None: cancelled while the answer was on its way
        if answered is not None and not answered.done():
            answered.set_result(frame)

    @override
    def _on_ready(self) -> None:
        self._greeted.set()

    @override
    def _on_end(self) -> None:
        self._greeted.set()
        for answered in self._calls.values():
            if not answered.done():
                answered.set_exception(ConnectionLost(self.lost_reason, sent=True))


class Answers(Protocol):
    """What answers requests."""

    def answer_now(self, request: wire.Request) -> wire.Reply | wire.Error | None:
        """The answer, if it can be given without waiting."""

    def answer(self, request: wire.Request) -> Coroutine[None, None, wire.Reply | wire.Error]:
        """The answer; cancelled when nobody waits for it any more."""


class AnsweringEnd(_End):
    """The end that accepted: answers requests, each in its own task."""

    def __init__(
        self, hello: wire.Hello, handshake_timeout_s: float, answers: Answers, tasks: Tasks
    ) -> None:
        super().__init__(hello, handshake_timeout_s)
        self._answers = answers
        self._tasks = tasks
        self._running: dict[int, asyncio.Task[None]] = {}

    @property
    def running_count(self) -> int:
        """How many requests are being answered."""
        return len(self._running)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if self._transport is not None:
            self._transport.pause_reading()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._transport is not None and not self._ended.is_set():
            self._transport.resume_reading()

    @override
    def _expects(self, request_id: int) -> bool:
        return request_id not in self._running

    @override
    def _handle(self, frame: wire.Frame) -> None:
        match frame:
            case wire.Request():
                self._begin(wire.Request(frame.id, frame.name, self._whole(frame)))
            case wire.Cancel():
                self._bodies.forget(frame.id)
                task = self._running.get(frame.id)
                if task is not None:
                    task.cancel()
            case _:
                raise wire.BadFrame(f"{type(frame).__name__} is for the calling end")

    def _whole(self, frame: wire.Request) -> bytes:
        return self._bodies.finish(frame.id, frame.body)

    def _begin(self, request: wire.Request) -> None:
        if request.id <= wire.CONNECTION_ID or request.id in self._running:
            raise wire.BadFrame(f"request id {request.id} is not positive or in use")
        if len(self._running) >= CALLS_MAX:
            self._send(wire.Error(request.id, "RpcError", str(Busy())))
            return
        answer = self._answers.answer_now(request) if self._writable.is_set() else None
        if answer is not None and _is_small(answer):
            self._send(answer)
            return
        task = self._tasks.start(f"rpc {request.name}", self._run(request, answer))
        self._running[request.id] = task
        # Not by the task itself: one that is cancelled before its first step runs no line.
        task.add_done_callback(lambda _task: self._running.pop(request.id, None))

    async def _run(self, request: wire.Request, answer: wire.Reply | wire.Error | None) -> None:
        # Answers are made when they can leave, so that none pile up for a slow reader.
        await self._until_writable()
        if answer is None:
            answer = await self._answers.answer(request)
        if isinstance(answer, wire.Reply):
            last = await self._send_parts(request.id, answer.body)
            answer = wire.Reply(request.id, last)
        self._send(answer)

    @override
    def _on_ready(self) -> None:
        assert self.peer is not None
        _log.debug("rpc connection accepted", node=self.peer.node, role=self.peer.role.value)

    @override
    def _on_end(self) -> None:
        for task in list(self._running.values()):
            task.cancel()


def _is_small(answer: wire.Reply | wire.Error) -> bool:
    return isinstance(answer, wire.Error) or len(answer.body) <= wire.PART_BYTES
