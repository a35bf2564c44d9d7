"""Nodes and their network coordinates. Source: Consul API, /v1/catalog/nodes, /v1/coordinate."""

from catalog.schema import Hidden, Omit, Row, Unfiltered


class Node(Row, frozen=True, kw_only=True):
    """A host of the catalog; ``node`` is its name, unique without regard to case."""

    id: str = ""
    node: str
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    create_index: Unfiltered[int] = 0
    modify_index: Unfiltered[int] = 0


class Coord(Row, frozen=True, kw_only=True):
    """A Vivaldi coordinate; times are seconds."""

    vec: tuple[float, ...] = (0.0,) * 8
    error: float = 1.5
    adjustment: float = 0.0
    height: float = 1e-5


class Coordinate(Row, frozen=True, kw_only=True):
    """A node's coordinate in one network segment."""

    node: str
    segment: str = ""
    coord: Coord
    partition: Omit[str] = ""
    create_index: Hidden[int] = 0
    modify_index: Hidden[int] = 0
