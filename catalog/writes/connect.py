"""Writes of the mesh's certificate authority. Source: Consul API, /v1/connect/ca."""

from typing import Final

from msgspec.structs import replace

from catalog.commands import CAConfigure, CAPrune, CARevoke, CASerialTake
from catalog.errors import Conflict, TooLarge
from catalog.rows.connect import CARevocation, CARoot, CASerial
from catalog.tables import CA_CONFIGURATION, CA_REVOCATIONS, CA_ROOTS, CA_SERIAL, CA_SIGNERS
from catalog.writes.tx import Tx

REVOCATIONS_MAX: Final = 10_000  # every proxy holds them all; above it, rotate the root instead


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

    Revocations of leaves that have ended since go too.
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
    ended = [row for row in tx.store.all(CA_REVOCATIONS) if row.expires_at_s < command.now_s]
    for row in ended:
        tx.store.delete(CA_REVOCATIONS, row.serial)
    if ended:
        tx.changed(CA_REVOCATIONS.name)
    return len(stale)


def revoke(tx: Tx, command: CARevoke) -> CARevocation:
    """Refuse a leaf from now on; what was revoked before stays as it was. The row that is stored.

    Raises TooLarge for one too many.
    """
    wanted = command.revocation
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
