"""Two ends of a connection without sockets: what one writes the other receives in the next turn."""

import asyncio
from typing import Any

from agent.rpc import wire
from agent.rpc.connection import AnsweringEnd, CallingEnd
from agent.tasks import Tasks
from tests.agent.rpc.cluster import hello


class Pipe(asyncio.Transport):
    """One direction: the transport that an end writes to. ``blocked``: the other does not read."""

    def __init__(self, writer: Any) -> None:
        super().__init__()
        self.writer = writer
        self.other: Pipe | None = None
        self.blocked = False
        self.aborted = False
        self.waiting = bytearray()
        self.written_count = 0
        self._high = 0
        self._choked = False
        self._closed = False
        self._paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del low
        self._high = high or 0

    def get_write_buffer_size(self) -> int:
        return len(self.waiting)

    def write(self, data: Any) -> None:
        assert not self._closed
        self.waiting += data
        self.written_count += 1
        if len(self.waiting) > self._high and not self._choked:
            self._choked = True
            self.writer.pause_writing()
        asyncio.get_running_loop().call_soon(self.deliver)

    def deliver(self) -> None:
        """Hand over what waits, if the other end reads."""
        if self.blocked or self.aborted or self.other is None or self.other._paused:
            return
        data, self.waiting = bytes(self.waiting), bytearray()
        if data:
            self.other.writer.data_received(data)
        if self._choked:
            self._choked = False
            self.writer.resume_writing()
        if self._closed:
            self._part()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        if self.other is not None:
            asyncio.get_running_loop().call_soon(self.other.deliver)

    @property
    def reading_paused(self) -> bool:
        return self._paused

    def unblock(self) -> None:
        """The other end reads again."""
        self.blocked = False
        self.deliver()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self.deliver)

    def abort(self) -> None:
        self._closed = self.aborted = True
        self.waiting.clear()
        asyncio.get_running_loop().call_soon(self._part)

    def _part(self) -> None:
        other, self.other = self.other, None
        self.writer.connection_lost(None)
        if other is not None:
            other.other = None
            other._closed = True
            other.writer.connection_lost(None)


def join(calling: CallingEnd, answering: AnsweringEnd) -> tuple[Pipe, Pipe]:
    """Connect two ends; the pipes that each of them writes to."""
    out, back = Pipe(calling), Pipe(answering)
    out.other, back.other = back, out
    answering.connection_made(back)
    calling.connection_made(out)
    return out, back


class Ear(asyncio.Protocol):
    """An end that only listens: the frames that came, and whether it was left."""

    def __init__(self) -> None:
        self.frames: list[wire.Frame] = []
        self.left = False
        self._reader = wire.FrameReader()

    def data_received(self, data: bytes) -> None:
        self.frames += self._reader.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.left = True


def eavesdrop(end: Any) -> tuple[Pipe, Ear]:
    """Connect an end to a listener that answers nothing by itself; write with ``pipe.write``."""
    ear = Ear()
    out, back = Pipe(end), Pipe(ear)
    out.other, back.other = back, out
    back.set_write_buffer_limits(high=1 << 40)
    end.connection_made(out)
    return back, ear


HANDSHAKE_S = 5.0


class Echo:
    """Answers with the request's body; ``wait`` only when it is released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.begun = 0
        self.cancelled = 0
        self.at_once = True

    def answer_now(self, request: wire.Request) -> wire.Reply | wire.Error | None:
        if not self.at_once or request.name == "wait":
            return None
        if request.name == "refuse":
            return wire.Error(request.id, "NoLeader", "No cluster leader")
        return wire.Reply(request.id, request.body)

    async def answer(self, request: wire.Request) -> wire.Reply | wire.Error:
        self.begun += 1
        try:
            if request.name == "wait":
                await self.released.wait()
            return wire.Reply(request.id, request.body)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class Joined:
    """Two ends that said hello."""

    def __init__(self, tasks: Tasks, role: wire.Role = wire.Role.CLIENT) -> None:
        self.echo = Echo()
        self.calling = CallingEnd(hello(role=role), HANDSHAKE_S)
        self.answering = AnsweringEnd(
            hello("server-1", wire.Role.SERVER), HANDSHAKE_S, self.echo, tasks
        )
        self.out, self.back = join(self.calling, self.answering)
