"""The queue of what everybody should hear: each message is sent a limited number of times.

A message counts one transmit for each packet it goes into and leaves the queue at the limit
``mult * ceil(log10(n + 1))``, enough for gossip to reach n members with high probability.
The least sent goes first; among those the largest that still fits, the newest of equals.
Named messages replace an older one of the same name. Source: SWIM §4.1; memberlist's order.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from typing import Final, NamedTuple

from gossip.core.types import PacketMessage

EVER: Final = 1 << 30  # more often than any message is sent
QUEUE_MESSAGES_MAX: Final = 65536  # a flood of names must not fill memory before a queue check


class Broadcast(NamedTuple):
    """A queued message; ``done`` is called when it leaves the queue, sent or replaced.

    Entries of a tier are sorted as tuples: by size, then age (``number`` is unique).
    """

    bytes: int
    number: int
    message: PacketMessage
    name: str
    done: Callable[[], None] | None


class BroadcastQueue:
    """Messages in tiers by how often they were sent. ``node_count`` gives n for the limit."""

    __slots__ = ("_mult", "_named", "_node_count", "_number", "_tiers")

    def __init__(self, retransmit_mult: int, node_count: Callable[[], int]) -> None:
        self._mult = retransmit_mult
        self._node_count = node_count
        self._tiers: list[list[Broadcast]] = []
        self._named: dict[str, tuple[int, Broadcast]] = {}
        self._number = 0

    def __len__(self) -> int:
        return sum(map(len, self._tiers))

    def __bool__(self) -> bool:
        return bool(self._tiers) and any(self._tiers)

    @property
    def transmits_min(self) -> int | None:
        """How often the least sent message was sent; None when nothing is queued."""
        return next((transmits for transmits, tier in enumerate(self._tiers) if tier), None)

    def add(
        self,
        message: PacketMessage,
        size: int,
        *,
        name: str = "",
        done: Callable[[], None] | None = None,
    ) -> None:
        """Queue ``message`` of ``size`` bytes; an older one of the same ``name`` is dropped."""
        if name and name in self._named:
            self._remove(*self._named[name])
        self._number += 1
        self._insert(0, Broadcast(size, self._number, message, name, done))
        if len(self) > QUEUE_MESSAGES_MAX:
            self.prune(QUEUE_MESSAGES_MAX)

    def take(
        self, free_bytes: int, overhead_bytes: int, count_max: int, transmits_max: int = EVER
    ) -> list[Broadcast]:
        """Messages for one packet; each costs its size and ``overhead_bytes``.

        Only those that were sent at most ``transmits_max`` times.
        """
        if not self:
            return []
        limit = retransmit_limit(self._mult, self._node_count())
        taken: list[tuple[int, Broadcast]] = []
        for transmits, tier in enumerate(self._tiers[: transmits_max + 1]):
            while tier and len(taken) < count_max:
                position = bisect_right(tier, free_bytes - overhead_bytes, key=_size)
                if position == 0:
                    break
                entry = tier.pop(position - 1)
                free_bytes -= entry.bytes + overhead_bytes
                taken.append((transmits + 1, entry))
        for transmits, entry in taken:
            if transmits >= limit:
                self._finish(entry)
            else:
                self._insert(transmits, entry)
        return [entry for _, entry in taken]

    def prune(self, count_max: int) -> int:
        """Keep at most ``count_max``: most sent, shortest, oldest go first. Returns how many."""
        excess = max(0, len(self) - count_max)
        left = excess
        for tier in reversed(self._tiers):
            dropped, tier[:left] = tier[:left], []
            left -= len(dropped)
            for entry in dropped:
                self._finish(entry)
        return excess

    def _insert(self, transmits: int, entry: Broadcast) -> None:
        while len(self._tiers) <= transmits:
            self._tiers.append([])
        insort(self._tiers[transmits], entry, key=_order)
        if entry.name:
            self._named[entry.name] = (transmits, entry)

    def _remove(self, transmits: int, entry: Broadcast) -> None:
        tier = self._tiers[transmits]
        position = bisect_left(tier, _order(entry), key=_order)
        assert tier[position] is entry
        del tier[position]
        self._finish(entry)

    def _finish(self, entry: Broadcast) -> None:
        if entry.name:
            self._named.pop(entry.name, None)
        if entry.done is not None:
            entry.done()


def retransmit_limit(mult: int, node_count: int) -> int:
    """How many packets carry one message in a pool of ``node_count``."""
    return mult * math.ceil(math.log10(node_count + 1))


def _size(entry: Broadcast) -> int:
    return entry.bytes


def _order(entry: Broadcast) -> tuple[int, int]:
    return entry[:2]
