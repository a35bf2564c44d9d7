"""One connection between two agents, with many calls on it at the same time.

The end that dialled calls (``CallingEnd``), the end that accepted answers (``AnsweringEnd``).

Back-pressure: a sender waits while its socket is full. Only the answering end also stops reading
then: what it does not read are new requests. The calling end always reads, so the two can never
wait for each other.
"""

import asyncio
from collections.abc import Coroutine
from typing import Final, Protocol

import structlog
from typing_extensions import override

from agent.rpc import wire
from agent.rpc.end import End
from agent.rpc.request import RpcError
from agent.tasks import Tasks

CALLS_MAX: Final = 16_384  # at once on a connection: above the watches of a busy agent

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


class CallingEnd(End):
    """The end that dialled: calls endpoints of the other end."""

    def __init__(self, hello: wire.Hello, handshake_timeout_s: float) -> None:
        super().__init__(hello, handshake_timeout_s)
        self._calls: dict[int, asyncio.Future[wire.Reply | wire.Error]] = {}
        self._last_id = 0
        self._greeted = asyncio.Event()
        self._retired = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._send(self._hello)

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


class AnsweringEnd(End):
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
    def _on_hello(self) -> None:
        self._send(self._hello)

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
