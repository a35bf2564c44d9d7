"""Writes of single intentions. Source: Consul API, /v1/connect/intentions.

An intention is one source of its destination's ``service-intentions`` entry. The entry is read and
written within one command, so writers of different sources of one destination do not undo each
other.
"""

from collections.abc import Callable
from typing import Final

from catalog import intentions
from catalog.commands import IntentionChange, IntentionVerb
from catalog.errors import Conflict
from catalog.rows.config_entry import ServiceIntentions
from catalog.rows.config_entry.service_intentions import SERVICE_INTENTIONS
from catalog.tables import CONFIG_ENTRIES
from catalog.writes import config_entry
from catalog.writes.tx import Tx


def change(tx: Tx, command: IntentionChange) -> object:
    """Make a change. The result is True, or the id for the verbs that create or update by id.

    Raises Invalid for an intention that contradicts itself, Conflict for an id that is not known.
    """
    return _VERBS[command.verb](tx, command)


def _upsert(tx: Tx, command: IntentionChange) -> bool:
    intention = command.intention
    destination = intention.destination_name
    before = _entry(tx, destination)
    _store(tx, intentions.upsert(before, destination, intentions.source_of(intention)))
    return True


def _delete(tx: Tx, command: IntentionChange) -> bool:
    before = _entry(tx, command.intention.destination_name)
    if before is not None:
        _remove_source(tx, before, command.intention.source_name)
    return True


def _create_by_id(tx: Tx, command: IntentionChange) -> str:
    before = _entry(tx, command.intention.destination_name)
    after = intentions.create_by_id(before, command.intention, command.id, command.now)
    _store(tx, after)
    return command.id


def _update_by_id(tx: Tx, command: IntentionChange) -> str:
    before, _ = _known(tx, command.id, "modify")
    _store(tx, intentions.update_by_id(before, command.intention, command.id, command.now))
    return command.id


def _delete_by_id(tx: Tx, command: IntentionChange) -> bool:
    before, source = _known(tx, command.id, "delete")
    _remove_source(tx, before, source)
    return True


_VERBS: Final[dict[str, Callable[[Tx, IntentionChange], object]]] = {
    IntentionVerb.UPSERT: _upsert,
    IntentionVerb.DELETE: _delete,
    IntentionVerb.CREATE_BY_ID: _create_by_id,
    IntentionVerb.UPDATE_BY_ID: _update_by_id,
    IntentionVerb.DELETE_BY_ID: _delete_by_id,
}


def _entry(tx: Tx, destination: str) -> ServiceIntentions | None:
    found = tx.store.get(CONFIG_ENTRIES, (SERVICE_INTENTIONS, destination.lower()))
    assert found is None or isinstance(found, ServiceIntentions)
    return found


def _known(tx: Tx, intention_id: str, what: str) -> tuple[ServiceIntentions, str]:
    """The entry that holds the intention with an id, and the name of its source."""
    for entry in tx.store.find(CONFIG_ENTRIES, "kind", SERVICE_INTENTIONS):
        assert isinstance(entry, ServiceIntentions)
        found = intentions.find_by_id([entry], intention_id)
        if found is not None:
            return entry, found.source_name
    raise Conflict(f"Cannot {what} non-existent intention: '{intention_id}'")


def _store(tx: Tx, entry: ServiceIntentions) -> None:
    normalized = entry.normalized()
    normalized.validate()
    config_entry.store(tx, normalized)


def _remove_source(tx: Tx, entry: ServiceIntentions, source: str) -> None:
    rest = intentions.without(entry, source)
    if rest is None:
        config_entry.remove(tx, entry)
    elif rest.sources != entry.sources:
        config_entry.store(tx, rest)
