"""Logical time: an order for what members say, without synchronised clocks.

Source: L. Lamport, Time, Clocks, and the Ordering of Events in a Distributed System (1978).
"""

from typing import Final

import msgspec

from gossip.core.types import LamportTime

TIME_MAX: Final = LamportTime((1 << 64) - 1)  # u64 on the wire; a forged time must not overflow it


class LamportClock:
    """Never goes back, stops at ``TIME_MAX``. ``time`` is that of the next thing here."""

    __slots__ = ("time",)

    def __init__(self) -> None:
        self.time = LamportTime(1)

    def increment(self) -> None:
        """Something happened here."""
        self.time = following(self.time)

    def witness(self, time: LamportTime) -> None:
        """Something happened elsewhere at ``time``: what follows here is later."""
        if time >= self.time:
            self.time = following(time)


def following(time: LamportTime) -> LamportTime:
    """The next time."""
    return LamportTime(min(TIME_MAX, time + 1))


class Clocks(msgspec.Struct, frozen=True):
    """The three clocks of the cluster layer."""

    member: LamportClock = msgspec.field(default_factory=LamportClock)
    event: LamportClock = msgspec.field(default_factory=LamportClock)
    query: LamportClock = msgspec.field(default_factory=LamportClock)
