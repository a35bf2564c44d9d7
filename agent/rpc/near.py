"""Sorting by network distance: ``?near=`` of lists. Source: Consul API, network coordinates."""

from collections.abc import Callable
from typing import TypeVar

from catalog.queries.catalog import find_node
from catalog.read import Read
from catalog.selection.distance import sort_by_distance
from catalog.tables import COORDINATES

T = TypeVar("T")


def sort_near(read: Read, near: str, rows: list[T], node_of: Callable[[T], str]) -> list[T]:
    """The rows by round-trip time from a node; as they are when it has no coordinate."""
    if not near:
        return rows
    node = find_node(read.store, near)
    origin = read.store.find(COORDINATES, "node", (node.node if node else near).lower())
    if not origin:
        return rows

    def coordinate(row: T):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Coord or None
        found = read.store.find(COORDINATES, "node", node_of(row).lower())
        return found[0].coord if found else None

    return sort_by_distance(rows, origin[0].coord, coordinate)
