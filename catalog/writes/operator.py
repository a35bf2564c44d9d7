"""Writes of the cluster's own configuration. Source: Consul API, /v1/operator/autopilot."""

from msgspec.structs import replace

from catalog.commands import AutopilotPut
from catalog.tables import AUTOPILOT
from catalog.writes.tx import Tx


def put_autopilot(tx: Tx, command: AutopilotPut) -> bool:
    """Store autopilot's configuration; False when ``cas_index`` is not the current index."""
    before = tx.store.get(AUTOPILOT, "")
    current = before.modify_index if before else 0
    if command.cas_index is not None and command.cas_index != current:
        return False
    created = before.create_index if before else tx.index
    row = replace(command.configuration, create_index=created, modify_index=tx.index)
    tx.store.put(AUTOPILOT, row)
    tx.changed("autopilot-config")
    return True
