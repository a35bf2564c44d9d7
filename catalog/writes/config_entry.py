"""Writes of config entries. Source: Consul API, /v1/config.

A write that would leave a discovery chain broken is refused: the chains that it affects are
compiled with it first.
"""

from msgspec.structs import replace

from catalog.chain import check_graph
from catalog.commands import ConfigEntryDelete, ConfigEntryPut
from catalog.intentions import keep_legacy_fields
from catalog.rows.config_entry import TERMINATING_GATEWAY, ConfigEntry, ServiceIntentions
from catalog.rows.service import KIND_TERMINATING_GATEWAY
from catalog.tables import CONFIG_ENTRIES
from catalog.writes.catalog import kind_index
from catalog.writes.tx import Tx

CONFIG_INDEX = "config-entries"


def put(tx: Tx, command: ConfigEntryPut) -> bool:
    """Store an entry; False when ``cas_index`` is not its current index (0: none stored)."""
    entry = command.entry
    before = tx.store.get(CONFIG_ENTRIES, _key(entry))
    current = before.modify_index if before else 0
    if command.cas_index is not None and command.cas_index != current:
        return False
    if isinstance(entry, ServiceIntentions):
        assert before is None or isinstance(before, ServiceIntentions)
        entry = keep_legacy_fields(entry, before)
    store(tx, entry)
    return True


def store(tx: Tx, entry: ConfigEntry) -> None:
    """Store an entry that is normalized and valid; one that says the same is no change."""
    before = tx.store.get(CONFIG_ENTRIES, _key(entry))
    created = before.create_index if before else tx.index
    row = replace(entry, create_index=created, modify_index=tx.index)
    if before is not None and replace(row, modify_index=before.modify_index) == before:
        return
    tx.store.put(CONFIG_ENTRIES, row)
    check_graph(entries_of(tx), row.kind, row.name, before)
    _changed(tx, row)


def delete(tx: Tx, command: ConfigEntryDelete) -> bool:
    """Remove an entry; an absent one is no change. False when ``cas_index`` does not hold."""
    before = tx.store.get(CONFIG_ENTRIES, (command.kind, command.name.lower()))
    if before is None:
        return command.cas_index is None
    if command.cas_index is not None and command.cas_index != before.modify_index:
        return False
    remove(tx, before)
    return True


def remove(tx: Tx, entry: ConfigEntry) -> None:
    """Remove an entry that is stored."""
    tx.store.delete(CONFIG_ENTRIES, _key(entry))
    check_graph(entries_of(tx), entry.kind, entry.name, entry)
    _changed(tx, entry)


def _changed(tx: Tx, entry: ConfigEntry) -> None:
    tx.changed(CONFIG_INDEX)
    if entry.kind == TERMINATING_GATEWAY:
        # Which services the gateways speak for is a part of what serves a service.
        tx.changed(kind_index(KIND_TERMINATING_GATEWAY))


def _key(entry: ConfigEntry) -> tuple[str, str]:
    return (entry.kind, entry.name.lower())


def entries_of(tx: Tx) -> list[ConfigEntry]:
    """All entries, with what the command changed so far."""
    return tx.store.all(CONFIG_ENTRIES)
