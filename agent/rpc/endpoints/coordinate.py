"""Network coordinates. Source: Consul API, /v1/coordinate."""

import math
from typing import Final

from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import ServerContext
from catalog import commands
from catalog.commands import Command
from catalog.errors import Invalid
from catalog.queries import coordinate
from catalog.read import Read
from catalog.rows.node import Coordinate

DIMENSIONS: Final = 8


class CoordinateApply(WriteRequest, frozen=True, kw_only=True):
    """New coordinates."""

    coordinates: tuple[Coordinate, ...]


class CoordinateNodes(ReadRequest, frozen=True, kw_only=True):
    """The coordinates of all nodes; ``segment`` None means any."""

    segment: str | None = None


class CoordinateNode(ReadRequest, frozen=True, kw_only=True):
    """The coordinates of one node."""

    node: str
    segment: str | None = None


def check(row: Coordinate) -> None:
    """Refuse a coordinate of other dimensions, or with a number that is none."""
    coord = row.coord
    if len(coord.vec) != DIMENSIONS:
        raise Invalid("incompatible coordinate")
    numbers = (*coord.vec, coord.error, coord.adjustment, coord.height)
    if not all(math.isfinite(number) for number in numbers):
        raise Invalid("invalid coordinate")


def update(_server: ServerContext, request: CoordinateApply) -> Command:
    """See CoordinateApply."""
    for row in request.coordinates:
        check(row)
    return commands.CoordinateUpdate(coordinates=request.coordinates)


def list_nodes(read: Read, request: CoordinateNodes, _server: ServerContext) -> list[Coordinate]:
    """See CoordinateNodes."""
    return coordinate.nodes(read, request.segment)


def of_node(read: Read, request: CoordinateNode, _server: ServerContext) -> list[Coordinate]:
    """See CoordinateNode."""
    return coordinate.of_node(read, request.node, request.segment)
