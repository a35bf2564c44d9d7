"""Network coordinates: each node places itself so that distances predict round trips.

Sources: Dabek et al., Vivaldi (SIGCOMM 2004); Ledlie et al., Network Coordinates in the Wild
(NSDI 2007) for the latency filter and gravity; Lee et al., On Suitability of Euclidean Embedding
(2010) for the adjustment. Constants are Serf's. All quantities are seconds.
"""

import math
from collections import deque
from typing import Final

from gossip.core.table import NODES_MAX
from gossip.core.types import Coordinate, Rng

DIMENSIONS: Final = 8
ERROR_MAX: Final = 1.5  # a coordinate that knows nothing
ERROR_GAIN: Final = 0.25  # c_e: how fast the error estimate follows
FORCE_GAIN: Final = 0.25  # c_c: how far one sample moves us
ADJUSTMENT_WINDOW: Final = 20  # samples
HEIGHT_MIN: Final = 1e-5
LATENCY_SAMPLES: Final = 3  # median filter per peer
GRAVITY_RHO: Final = 150.0
ZERO: Final = 1e-6
ROUND_TRIP_S_MAX: Final = 10.0  # slower is no network but a stopped process
PART_S_MAX: Final = 1e9  # finite, but squares of larger parts are not
PEERS_MAX: Final = NODES_MAX  # peers are members; forgotten when they are reaped

ORIGIN: Final = Coordinate((0.0,) * DIMENSIONS, ERROR_MAX, 0.0, HEIGHT_MIN)

Vector = tuple[float, ...]


class Vivaldi:
    """Our own coordinate and those last heard of others."""

    def __init__(self, rng: Rng, *, enabled: bool = True) -> None:
        self._rng = rng
        self._is_enabled = enabled
        self._samples: dict[str, deque[float]] = {}
        self._adjustments: deque[float] = deque([0.0] * ADJUSTMENT_WINDOW, ADJUSTMENT_WINDOW)
        self.coordinate = ORIGIN
        self.peers: dict[str, Coordinate] = {}
        self.reset_count = 0
        self.rejected_count = 0

    def own(self) -> Coordinate | None:
        """What acks carry; nothing when coordinates are off."""
        return self.coordinate if self._is_enabled else None

    def observe(self, node: str, coordinate: Coordinate, round_trip_s: float) -> None:
        """Learn from one direct round trip to ``node``; an impossible sample changes nothing."""
        if not self._is_enabled:
            return
        if not is_valid(coordinate) or not 0.0 <= round_trip_s <= ROUND_TRIP_S_MAX:
            self.rejected_count += 1
            return
        if node not in self._samples and len(self._samples) >= PEERS_MAX:
            return
        latency_s = self._filtered_s(node, round_trip_s)
        self._place(coordinate, latency_s)
        self._adjust(coordinate, latency_s)
        self._pull_to_origin()
        if not is_valid(self.coordinate):
            self.coordinate = ORIGIN
            self.reset_count += 1
        self.peers[node] = coordinate

    def forget(self, node: str) -> None:
        """``node`` is no member any more."""
        self._samples.pop(node, None)
        self.peers.pop(node, None)

    def _filtered_s(self, node: str, round_trip_s: float) -> float:
        samples = self._samples.setdefault(node, deque(maxlen=LATENCY_SAMPLES))
        samples.append(round_trip_s)
        return sorted(samples)[len(samples) // 2]

    def _place(self, other: Coordinate, latency_s: float) -> None:
        own = self.coordinate
        expected_s = distance_s(own, other)
        latency_s = max(latency_s, ZERO)
        wrongness = abs(expected_s - latency_s) / latency_s
        weight = own.error / max(own.error + other.error, ZERO)
        error = ERROR_GAIN * weight * wrongness + own.error * (1.0 - ERROR_GAIN * weight)
        force = FORCE_GAIN * weight * (latency_s - expected_s)
        moved = self._pushed(own, force, other)
        self.coordinate = Coordinate(
            moved.vec, min(error, ERROR_MAX), moved.adjustment, moved.height
        )

    def _adjust(self, other: Coordinate, latency_s: float) -> None:
        own = self.coordinate
        self._adjustments.append(latency_s - raw_distance_s(own, other))
        adjustment = sum(self._adjustments) / (2.0 * ADJUSTMENT_WINDOW)
        self.coordinate = Coordinate(own.vec, own.error, adjustment, own.height)

    def _pull_to_origin(self) -> None:
        far_s = distance_s(ORIGIN, self.coordinate)
        self.coordinate = self._pushed(self.coordinate, -((far_s / GRAVITY_RHO) ** 2), ORIGIN)

    def _pushed(self, own: Coordinate, force: float, other: Coordinate) -> Coordinate:
        """``own`` pushed by ``force`` away from ``other``."""
        unit, apart = self._direction(own.vec, other.vec)
        vec = tuple(place + step * force for place, step in zip(own.vec, unit, strict=True))
        height = own.height
        if apart > ZERO:
            height = max(HEIGHT_MIN, (own.height + other.height) * force / apart + own.height)
        return Coordinate(vec, own.error, own.adjustment, height)

    def _direction(self, own: Vector, other: Vector) -> tuple[Vector, float]:
        """The unit vector from ``other`` to ``own`` and their distance; any when they coincide."""
        difference = tuple(a - b for a, b in zip(own, other, strict=True))
        apart = math.sqrt(sum(step * step for step in difference))
        if apart > ZERO:
            return tuple(step / apart for step in difference), apart
        chance = tuple(self._rng.random() - 0.5 for _ in own)
        length = math.sqrt(sum(step * step for step in chance))
        if length > ZERO:
            return tuple(step / length for step in chance), 0.0
        return (1.0, *(0.0 for _ in own[1:])), 0.0


def is_valid(coordinate: Coordinate) -> bool:
    """Whether every part is a number that can be reckoned with and the dimensions are ours."""
    parts = (*coordinate.vec, coordinate.error, coordinate.adjustment, coordinate.height)
    return len(coordinate.vec) == DIMENSIONS and all(abs(part) <= PART_S_MAX for part in parts)


def raw_distance_s(a: Coordinate, b: Coordinate) -> float:
    """The distance without adjustments."""
    return math.dist(a.vec, b.vec) + a.height + b.height


def distance_s(a: Coordinate, b: Coordinate) -> float:
    """The round trip to be expected between two nodes, cut to nanoseconds."""
    raw_s = raw_distance_s(a, b)
    adjusted_s = raw_s + a.adjustment + b.adjustment
    return math.trunc((adjusted_s if adjusted_s > 0.0 else raw_s) * 1e9) / 1e9
