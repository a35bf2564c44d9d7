"""Round-trip times from network coordinates, and the order that they give.

Source: Vivaldi coordinates as Consul describes them
(https://developer.hashicorp.com/consul/docs/architecture/coordinates). Times are seconds.
"""

from collections.abc import Callable, Iterable, Mapping
from math import dist, inf
from typing import Final, TypeVar

from catalog.rows.check import CheckServiceNode
from catalog.rows.node import Coord

T = TypeVar("T")

NEAR_SEARCH_MAX: Final = 10
"""How deep in the order the near node itself is looked for: sorted, it cannot be further in."""


def distance_s(a: Coord | None, b: Coord | None) -> float:
    """Estimated round-trip time in seconds; infinite if a coordinate is missing or unlike."""
    if a is None or b is None or len(a.vec) != len(b.vec):
        return inf
    # Grouped so that both directions round alike.
    raw = dist(a.vec, b.vec) + (a.height + b.height)
    adjusted = raw + (a.adjustment + b.adjustment)
    return adjusted if adjusted > 0 else raw


def segment_distance_s(a: Mapping[str, Coord], b: Mapping[str, Coord]) -> float:
    """The distance of two nodes that have a coordinate by segment.

    Counted in the only segment of ``a`` or, if it has several, in the default one: agents of one
    segment cannot measure the others.
    """
    segment = next(iter(a)) if len(a) == 1 else ""
    return distance_s(a.get(segment), b.get(segment))


def sort_by_distance(
    items: Iterable[T], origin: Coord | None, coord_of: Callable[[T], Coord | None]
) -> list[T]:
    """Items, the nearest to ``origin`` first.

    Those without a coordinate come last; equal ones keep their order, and so do all if the origin
    has no coordinate.
    """
    return sorted(items, key=lambda item: distance_s(origin, coord_of(item)))


def put_near_first(nodes: Iterable[CheckServiceNode], near: str) -> tuple[CheckServiceNode, ...]:
    """Sorted instances with one of the near node itself first, if it is among the first ten."""
    ordered = list(nodes)
    for position, node in enumerate(ordered[:NEAR_SEARCH_MAX]):
        if node.node.node == near:
            ordered[0], ordered[position] = ordered[position], ordered[0]
            break
    return tuple(ordered)
