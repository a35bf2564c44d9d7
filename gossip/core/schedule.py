"""The timers of one node: which are set, which is due, when the next one is.

A heap with lazy deletion: set, cancel and due cost O(log n). A timer is named; setting it again
moves it. Timers of one time fire in the order they were set.
"""

import heapq
from enum import IntEnum
from typing import Final, NamedTuple

STALE_FACTOR: Final = 2  # rebuild when cancelled entries outnumber live ones this many times
STALE_COUNT_MIN: Final = 64  # below this a rebuild costs more than it frees


class TimerKind(IntEnum):
    """What is to be done when a timer fires."""

    PROBE = 0
    PROBE_TIMEOUT = 1
    PROBE_END = 2
    RELAY_END = 3
    SUSPICION = 4
    GOSSIP = 5
    PUSH_PULL = 6
    REAP = 7
    RECONNECT = 8
    QUEUE_CHECK = 9
    QUERY_END = 10
    LEAVE_STEP = 11
    TAGS_SENT = 12
    PRUNE = 13
    COALESCE = 14
    QUIESCENT = 15
    SNAPSHOT = 16
    STREAM_END = 17


class Timer(NamedTuple):
    """The name of a timer: its kind, and what it is about."""

    kind: TimerKind
    subject: str | int | tuple[int, int] = ""


class Schedule:
    """The set timers. ``next_deadline`` is None when none is set."""

    __slots__ = ("_count", "_heap", "_live")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._live: dict[Timer, int] = {}
        self._count = 0

    def set(self, timer: Timer, at: float) -> None:
        """Fire ``timer`` at ``at``, and at no other time."""
        self._count += 1
        self._live[timer] = self._count
        heapq.heappush(self._heap, (at, self._count, timer))
        if len(self._heap) > STALE_COUNT_MIN + STALE_FACTOR * len(self._live):
            self._heap = [entry for entry in self._heap if self._live.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)

    def cancel(self, timer: Timer) -> None:
        """Forget ``timer``; fine when it is not set."""
        self._live.pop(timer, None)

    def is_set(self, timer: Timer) -> bool:
        """Whether ``timer`` is still to fire."""
        return timer in self._live

    def pop_due(self, now: float) -> Timer | None:
        """The next timer with a time <= ``now``, forgotten with this call."""
        self._drop_stale()
        if not self._heap or self._heap[0][0] > now:
            return None
        timer = heapq.heappop(self._heap)[2]
        del self._live[timer]
        return timer

    def next_deadline(self) -> float | None:
        """When the next timer is due."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def _drop_stale(self) -> None:
        heap = self._heap
        while heap and self._live.get(heap[0][2]) != heap[0][1]:
            heapq.heappop(heap)
