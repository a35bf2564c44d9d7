"""The state machine: applies the log's commands and serves its snapshots.

``apply`` never raises for what a command asks: a refusal undoes the command and is its result.
"""

from collections.abc import Callable, Iterator
from typing import Any

from catalog.commands import (
    AutopilotPut,
    CAConfigure,
    CALeafIssued,
    CAPrune,
    CARevoke,
    CASerialTake,
    Command,
    ConfigEntryDelete,
    ConfigEntryPut,
    CoordinateUpdate,
    Deregister,
    IntentionChange,
    KvOperation,
    QueryDelete,
    QueryPut,
    Register,
    SessionCreate,
    SessionDestroy,
    TombstonesReap,
    Transaction,
    decode,
)
from catalog.errors import CatalogError
from catalog.snapshot import read_snapshot, write_snapshot
from catalog.store import Store
from catalog.writes import (
    catalog,
    config_entry,
    connect,
    coordinate,
    intention,
    kv,
    operator,
    query,
    session,
)
from catalog.writes import transaction as txn
from catalog.writes.tx import Effect, Tx

_HANDLERS: dict[type[Command], Callable[[Tx, Any], object]] = {
    KvOperation: kv.apply,
    Transaction: txn.apply,
    Register: catalog.register,
    Deregister: catalog.deregister,
    SessionCreate: lambda tx, command: session.create(tx, command.session),
    SessionDestroy: lambda tx, command: session.destroy(tx, command.id),
    CoordinateUpdate: coordinate.update,
    QueryPut: query.put,
    QueryDelete: query.delete,
    ConfigEntryPut: config_entry.put,
    ConfigEntryDelete: config_entry.delete,
    IntentionChange: intention.change,
    CAConfigure: connect.configure,
    CASerialTake: connect.take_serial,
    CAPrune: connect.prune,
    CALeafIssued: connect.record_leaf,
    CARevoke: connect.revoke,
    AutopilotPut: operator.put_autopilot,
    TombstonesReap: lambda tx, command: kv.reap_tombstones(tx, command.index),
}


class StateMachine:
    """The catalog as the log sees it. ``on_effect`` hears what a command set off."""

    def __init__(self, on_effect: Callable[[Effect], None]) -> None:
        self.store = Store()
        self._on_effect = on_effect

    def apply(self, index: int, command: bytes) -> object:
        """Apply one command; the result is its value, or the CatalogError that refused it."""
        decoded = decode(command)
        tx = Tx(self.store, index)
        try:
            result = _HANDLERS[type(decoded)](tx, decoded)
        except CatalogError as refusal:
            self.store.rollback()
            return refusal
        self.store.commit()
        for effect in tx.effects:
            self._on_effect(effect)
        return result

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        """Fix the state of now; the returned function encodes it on any thread."""
        indexes, tables = self.store.freeze()
        return lambda: write_snapshot(indexes, tables)

    def restore(self, chunks: Iterator[bytes]) -> None:
        """Replace the state by a snapshot's; every blocked reader wakes."""
        indexes, rows = read_snapshot(chunks)
        self.store.load(indexes, rows)
