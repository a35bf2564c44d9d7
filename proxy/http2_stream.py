"""What both HTTP/2 codecs do alike: put bytes out, and let a stream's parts wait.

Parts of a body go on as they come, or wait while who takes them has enough. A stream's window is
given back only for what went on, so what waits is at most that window.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from proxy.connection import Carrier
from proxy.core.http2_end import End
from proxy.core.http2_events import Answered, BodyPart, Ended
from proxy.deadlines import CallLater

FLUSH_BYTES_MAX: Final = 262_144
"""Of bodies in one write: a carrier that has enough can only say so when it is given some."""

Part = BodyPart | Ended | Answered


class Link:
    """An end and its carrier. What is said in one turn of the event loop goes out in one write."""

    __slots__ = ("_call_later", "_is_due", "_on_flushed", "carrier", "end", "is_reading")

    def __init__(
        self, end: End[Any], call_later: CallLater, on_flushed: Callable[[], None]
    ) -> None:
        self.end = end
        self.carrier: Carrier
        self.is_reading = False
        self._call_later = call_later
        self._on_flushed = on_flushed
        self._is_due = False

    def flush_soon(self) -> None:
        """Send at the end of this turn, or of what is being read, or now if it is much."""
        if self.end.outbox.put_bytes >= FLUSH_BYTES_MAX:
            self.flush()
        elif not self._is_due and not self.is_reading:
            self._is_due = True
            self._call_later(0.0, self._turn_ended)

    def flush(self) -> None:
        """Send now."""
        taken = self.end.take()
        if taken:
            self.carrier.write(taken)
        self._on_flushed()

    def _turn_ended(self) -> None:
        self._is_due = False
        self.flush()


class StreamIntake(ABC):
    """The incoming side of a stream."""

    __slots__ = ("id", "is_paused", "link", "waiting")

    def __init__(self, link: Link, stream_id: int) -> None:
        self.link = link
        self.id = stream_id
        self.is_paused = False
        self.waiting: deque[Part] = deque()

    @abstractmethod
    def deliver(self, part: Part) -> None:
        """Hand a part on."""

    def take(self, part: Part) -> None:
        """A part came."""
        if self.is_paused:
            self.waiting.append(part)
            return
        self.deliver(part)
        if type(part) is BodyPart:
            self.link.end.consume(self.id, part.window_bytes)

    def pause(self) -> None:
        """Hand on no more for now."""
        self.is_paused = True

    def resume(self) -> None:
        """Hand on what waits, and what comes."""
        if not self.is_paused:
            return
        self.is_paused = False
        while self.waiting and not self.is_paused:
            self.take(self.waiting.popleft())
        self.link.flush_soon()

    def drop(self) -> None:
        """Nobody wants what waits."""
        for part in self.waiting:
            if type(part) is BodyPart:
                self.link.end.consume(self.id, part.window_bytes)
        self.waiting.clear()
