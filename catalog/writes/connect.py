"""Writes of the mesh's certificate authority. Source: Consul API, /v1/connect/ca."""

from typing import Final, TypeVar

from msgspec.structs import replace

from catalog.commands import CAConfigure, CALeafIssued, CAPrune, CARevoke, CASerialTake
from catalog.errors import Conflict, TooLarge
from catalog.rows.connect import CALeaf, CARevocation, CARoot, CASerial
from catalog.schema import Table
from catalog.tables import (
    CA_CONFIGURATION,
    CA_LEAVES,
    CA_REVOCATIONS,
    CA_ROOTS,
    CA_SERIAL,
    CA_SIGNERS,
)
from catalog.writes.tx import Tx

LEAVES_MAX: Final = 100_000  # about 30 MiB; what is beyond lives all the same, and is not listed
REVOCATIONS_MAX: Final = 10_000  # every proxy holds them all; above it, rotate the root instead

Ending = TypeVar("Ending", CALeaf, CARevocation)


def configure(tx: Tx, command: CAConfigure) -> bool:
    """Store the configuration and, if there is one, the new active root with its key.

    Raises Conflict when the configuration has changed since the command was made.
    """
    before = tx.store.get(CA_CONFIGURATION, "")
    if command.expected_index != (before.modify_index if before else 0):
        raise Conflict("CA configuration was changed by someone else, try again")
    created = before.create_index if before else tx.index
    row = replace(command.configuration, create_index=created, modify_index=tx.index)
    tx.store.put(CA_CONFIGURATION, row)
    tx.changed(CA_CONFIGURATION.name)
    if command.root is not None:
        _rotate(tx, command.root, command.now_s)
    if command.signer is not None:
        tx.store.put(CA_SIGNERS, command.signer)
    return True


def _rotate(tx: Tx, root: CARoot, now_s: float) -> None:
    for present in tx.store.all(CA_ROOTS):
        if present.active and present.id != root.id:
            retired = replace(present, active=False, rotated_out_s=now_s, modify_index=tx.index)
            tx.store.put(CA_ROOTS, retired)
    before = tx.store.get(CA_ROOTS, root.id)
    created = before.create_index if before else tx.index
    tx.store.put(CA_ROOTS, replace(root, create_index=created, modify_index=tx.index))
    tx.changed(CA_ROOTS.name)


def take_serial(tx: Tx, _command: CASerialTake) -> tuple[int, int]:
    """A serial number that no other certificate has, and the log index of this command."""
    before = tx.store.get(CA_SERIAL, "")
    row = CASerial(last=(before.last if before else 0) + 1)
    tx.store.put(CA_SERIAL, row)
    return row.last, tx.index


def prune(tx: Tx, command: CAPrune) -> int:
    """Forget roots, and their keys, that ceased to be active before a time; how many.

    Leaves that have ended since go too, and their revocations.
    """
    stale = [
        root
        for root in tx.store.all(CA_ROOTS)
        if not root.active and root.rotated_out_s < command.rotated_out_before_s
    ]
    for root in stale:
        tx.store.delete(CA_ROOTS, root.id)
        tx.store.delete(CA_SIGNERS, root.id)
    if stale:
        tx.changed(CA_ROOTS.name)
    _forget_ended(tx, CA_REVOCATIONS, command.now_s)
    _forget_ended(tx, CA_LEAVES, command.now_s)
    return len(stale)


def _forget_ended(tx: Tx, table: Table[Ending], now_s: float) -> None:
    ended = [row for row in tx.store.all(table) if row.expires_at_s < now_s]
    for row in ended:
        tx.store.delete(table, row.serial)
    if ended:
        tx.changed(table.name)


def record_leaf(tx: Tx, command: CALeafIssued) -> int:
    """Note a leaf that was signed, unless too many live already; the log index of this command."""
    if tx.store.count(CA_LEAVES) < LEAVES_MAX:
        tx.store.put(CA_LEAVES, replace(command.leaf, create_index=tx.index))
        tx.changed(CA_LEAVES.name)
    return tx.index


def revoke(tx: Tx, command: CARevoke) -> tuple[CARevocation, ...]:
    """Refuse leaves from now on; what was revoked before stays as it was. The rows that are stored.

    Raises TooLarge for one too many, and then has changed nothing.
    """
    return tuple(_revoke(tx, wanted) for wanted in command.revocations)


def _revoke(tx: Tx, wanted: CARevocation) -> CARevocation:
    present = tx.store.get(CA_REVOCATIONS, wanted.serial)
    if present is not None:
        return present
    if tx.store.count(CA_REVOCATIONS) >= REVOCATIONS_MAX:
        message = f"more than {REVOCATIONS_MAX} revoked certificates; use another root instead"
        raise TooLarge(message)
    row = replace(wanted, create_index=tx.index, modify_index=tx.index)
    tx.store.put(CA_REVOCATIONS, row)
    tx.changed(CA_REVOCATIONS.name)
    return row
