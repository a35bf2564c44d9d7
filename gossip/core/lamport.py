"""Logical time: an order for what members say, without synchronised clocks.

Source: L. Lamport, Time, Clocks, and the Ordering of Events in a Distributed System (1978).
"""

import msgspec

from gossip.core.types import LamportTime


class LamportClock:
    """Never goes back. ``time`` is the time of the next thing that happens here."""

    __slots__ = ("time",)

    def __init__(self) -> None:
        self.time = LamportTime(1)

    def increment(self) -> None:
        """Something happened here."""
        self.time = LamportTime(self.time + 1)

    def witness(self, time: LamportTime) -> None:
        """Something happened elsewhere at ``time``: what follows here is later."""
        if time >= self.time:
            self.time = LamportTime(time + 1)


class Clocks(msgspec.Struct, frozen=True):
    """The three clocks of the cluster layer."""

    member: LamportClock = msgspec.field(default_factory=LamportClock)
    event: LamportClock = msgspec.field(default_factory=LamportClock)
    query: LamportClock = msgspec.field(default_factory=LamportClock)
