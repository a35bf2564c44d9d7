"""Reads of network coordinates. Source: Consul API, /v1/coordinate."""

from catalog.read import Read
from catalog.rows.node import Coordinate
from catalog.tables import COORDINATES


def nodes(read: Read, segment: str | None) -> list[Coordinate]:
    """The coordinates of all nodes, or of those in one segment, in the order of the names."""
    read.depend("coordinates")
    rows = read.store.all(COORDINATES)
    return [row for row in rows if segment is None or row.segment == segment]


def of_node(read: Read, node: str, segment: str | None) -> list[Coordinate]:
    """The coordinates of one node, one a segment."""
    read.depend("coordinates")
    rows = read.store.find(COORDINATES, "node", node.lower())
    return [row for row in rows if segment is None or row.segment == segment]
