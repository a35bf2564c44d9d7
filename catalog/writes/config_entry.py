"""Writes of config entries. Source: Consul API, /v1/config.

A write that would leave a discovery chain broken is refused: the chains that it affects are
compiled with it first.
"""

from msgspec.structs import replace

from catalog.chain import check_graph
from catalog.commands import ConfigEntryDelete, ConfigEntryPut
from catalog.rows.config_entry import ConfigEntry
from catalog.tables import CONFIG_ENTRIES
from catalog.writes.tx import Tx

CONFIG_INDEX = "config-entries"


def put(tx: Tx, command: ConfigEntryPut) -> bool:
    """Store an entry; False when ``cas_index`` is not its current index (0: none stored)."""
    entry = command.entry
    key = (entry.kind, entry.name.lower())
    before = tx.store.get(CONFIG_ENTRIES, key)
    current = before.modify_index if before else 0
    if command.cas_index is not None and command.cas_index != current:
        return False
    created = before.create_index if before else tx.index
    row = replace(entry, create_index=created, modify_index=tx.index)
    if before is not None and replace(row, modify_index=before.modify_index) == before:
        return True
    tx.store.put(CONFIG_ENTRIES, row)
    check_graph(entries_of(tx), row.kind, row.name)
    tx.changed(CONFIG_INDEX)
    return True


def delete(tx: Tx, command: ConfigEntryDelete) -> bool:
    """Remove an entry; an absent one is no change. False when ``cas_index`` does not hold."""
    key = (command.kind, command.name.lower())
    before = tx.store.get(CONFIG_ENTRIES, key)
    if before is None:
        return command.cas_index is None
    if command.cas_index is not None and command.cas_index != before.modify_index:
        return False
    tx.store.delete(CONFIG_ENTRIES, key)
    check_graph(entries_of(tx), command.kind, command.name)
    tx.changed(CONFIG_INDEX)
    return True


def entries_of(tx: Tx) -> list[ConfigEntry]:
    """All entries, with what the command changed so far."""
    return tx.store.all(CONFIG_ENTRIES)
