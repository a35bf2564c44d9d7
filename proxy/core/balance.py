"""Which of the usable endpoints serves next. All policies respect weights.

A balancer is made for one list of usable endpoints, and made anew when the list changes; what must
outlast that (open requests, latencies) lives in the backends. Picking costs O(1), or O(log n) with
unequal weights. Source: Envoy's load balancers (earliest deadline first for weights, power of
choices), Linkerd's peak EWMA.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from heapq import heapify, heapreplace
from itertools import accumulate
from typing import Final, Protocol

from typing_extensions import override

from proxy.api import Balance
from proxy.core.backend import Backend

NEAR_FACTOR: Final = 2.0
NEAR_SLACK_S: Final = 0.001
"""Near is what is at most twice as far as the nearest, or a millisecond farther: one site."""
CHOICES_MIN: Final = 2  # of one choice there is none

RandomSource = Callable[[], float]
"""Gives numbers in [0, 1)."""


class Balancer(Protocol):
    """Picks from the endpoints that it was made for."""

    def pick(self, now_s: float) -> Backend:
        """The endpoint for the next request."""


def make_balancer(
    balance: Balance, usable: Sequence[Backend], random: RandomSource, *, open_max: int
) -> Balancer:
    """A balancer for at least one endpoint. Policies that hash draw at random where no hash is.

    ``open_max``: requests that the whole cluster may have open; a near endpoint has room below its
    share of them.
    """
    assert usable, "a balancer has somebody to pick"
    near = _near(usable) if balance.local else usable
    if len(near) == len(usable):
        return _balancer(balance, usable, random)
    everywhere = _balancer(balance, usable, random)
    room = open_max / sum(backend.weight for backend in usable)
    return Nearest(_balancer(balance, near, random), everywhere, room)


def _balancer(balance: Balance, usable: Sequence[Backend], random: RandomSource) -> Balancer:
    if len(usable) == 1:
        return Only(usable[0])
    match balance.policy:
        case "round_robin" | "weighted":
            if len({backend.weight for backend in usable}) == 1:
                return Rotation(usable, random)
            return Schedule(usable, random)
        case "least_request":
            return LeastRequest(usable, random, balance.choice_count)
        case "peak_ewma":
            return PeakEwma(usable, random, balance.choice_count)
        case "random" | "ring_hash" | "maglev":
            return Draw(usable, random)


def _near(usable: Sequence[Backend]) -> Sequence[Backend]:
    """Those near enough; all of them if no distance is known."""
    known = [backend.endpoint.rtt_s for backend in usable if backend.endpoint.rtt_s > 0]
    if not known:
        return usable
    reach_s = max(min(known) * NEAR_FACTOR, min(known) + NEAR_SLACK_S)
    return [backend for backend in usable if 0 < backend.endpoint.rtt_s <= reach_s]


class Only(Balancer):
    """There is one."""

    __slots__ = ("_backend",)

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @override
    def pick(self, now_s: float) -> Backend:
        return self._backend


class Rotation(Balancer):
    """One after the other, from a random one on, so that many proxies do not march in step."""

    __slots__ = ("_next", "_usable")

    def __init__(self, usable: Sequence[Backend], random: RandomSource) -> None:
        self._usable = usable
        self._next = int(random() * len(usable))

    @override
    def pick(self, now_s: float) -> Backend:
        number = self._next
        self._next = number + 1 if number + 1 < len(self._usable) else 0
        return self._usable[number]


class Schedule(Balancer):
    """Smooth weighted rotation: each is due again after 1/weight, the earliest is next."""

    __slots__ = ("_due",)

    def __init__(self, usable: Sequence[Backend], random: RandomSource) -> None:
        self._due = [
            (random() / backend.weight, number, backend) for number, backend in enumerate(usable)
        ]
        heapify(self._due)

    @override
    def pick(self, now_s: float) -> Backend:
        due, number, backend = self._due[0]
        heapreplace(self._due, (due + 1.0 / backend.weight, number, backend))
        return backend


class Draw(Balancer):
    """At random, by weight."""

    __slots__ = ("_ends", "_random", "_total", "_usable")

    def __init__(self, usable: Sequence[Backend], random: RandomSource) -> None:
        self._usable = usable
        self._random = random
        self._ends = list(accumulate(backend.weight for backend in usable))
        self._total = self._ends[-1]

    @override
    def pick(self, now_s: float) -> Backend:
        drawn = self._random() * self._total
        # The last end is left out: rounding may give the total itself.
        return self._usable[bisect_right(self._ends, drawn, 0, len(self._ends) - 1)]


class LeastRequest(Draw):
    """Of a few drawn by weight, the one with the fewest open requests for its weight."""

    __slots__ = ("_choices",)

    def __init__(self, usable: Sequence[Backend], random: RandomSource, choices: int) -> None:
        super().__init__(usable, random)
        self._choices = max(choices, CHOICES_MIN)

    @override
    def pick(self, now_s: float) -> Backend:
        best = super().pick(now_s)
        for _ in range(self._choices - 1):
            other = super().pick(now_s)
            if other.active * best.weight < best.active * other.weight:
                best = other
        return best


class PeakEwma(LeastRequest):
    """Of a few drawn by weight, the one that would answer first, as far as can be told."""

    __slots__ = ()

    @override
    def pick(self, now_s: float) -> Backend:
        best = Draw.pick(self, now_s)
        cost = best.cost(now_s)
        for _ in range(self._choices - 1):
            other = Draw.pick(self, now_s)
            if other is not best and (others := other.cost(now_s)) < cost:
                best, cost = other, others
        return best


class Nearest(Balancer):
    """A near endpoint while it has room, ``room`` for each weight; else any."""

    __slots__ = ("_everywhere", "_near", "_room")

    def __init__(self, near: Balancer, everywhere: Balancer, room: float) -> None:
        self._near = near
        self._everywhere = everywhere
        self._room = room

    @override
    def pick(self, now_s: float) -> Backend:
        backend = self._near.pick(now_s)
        if backend.active < self._room * backend.weight:
            return backend
        return self._everywhere.pick(now_s)
