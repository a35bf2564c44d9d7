"""Writes of network coordinates. Source: Consul API, /v1/coordinate/update."""

from msgspec.structs import replace

from catalog.commands import CoordinateUpdate
from catalog.tables import COORDINATES, NODES
from catalog.writes.tx import Tx


def update(tx: Tx, command: CoordinateUpdate) -> bool:
    """Store the coordinates of known nodes; others are dropped, as their node may be leaving."""
    for coordinate in command.coordinates:
        if tx.store.get(NODES, coordinate.node.lower()) is None:
            continue
        before = tx.store.get(COORDINATES, (coordinate.node.lower(), coordinate.segment))
        if before is not None and before.coord == coordinate.coord:
            continue
        created = before.create_index if before else tx.index
        tx.store.put(COORDINATES, replace(coordinate, create_index=created, modify_index=tx.index))
        tx.changed("coordinates")
    return True
