"""Writes of keys. Source: Consul API, /v1/kv and /v1/txn; surface rules of locks and cas."""

from msgspec.structs import replace

from catalog.commands import KvOperation, KvVerb
from catalog.errors import Conflict, Invalid, NotFound
from catalog.rows.kv import KeyValue, Tombstone
from catalog.store import Store
from catalog.tables import KV, SESSIONS, TOMBSTONES
from catalog.writes.tx import Tx

KVS = "kvs"
TOMBSTONE_INDEX = "tombstones"


def apply(tx: Tx, operation: KvOperation) -> bool:
    """Carry out one write verb; False when its condition does not hold."""
    match operation.verb:
        case KvVerb.SET:
            put(tx, operation)
        case KvVerb.CAS:
            return cas(tx, operation)
        case KvVerb.LOCK:
            return lock(tx, operation)
        case KvVerb.UNLOCK:
            return unlock(tx, operation)
        case KvVerb.DELETE:
            delete(tx, operation.key)
        case KvVerb.DELETE_TREE:
            delete_tree(tx, operation.key)
        case KvVerb.DELETE_CAS:
            return delete_cas(tx, operation)
        case verb:
            raise Invalid(f'Invalid KVS operation "{verb}"')
    return True


def put(tx: Tx, operation: KvOperation) -> KeyValue:
    """Write value and flags; a lock on the key stays. Equal content is no change."""
    before = tx.store.get(KV, operation.key)
    return _store(
        tx,
        before,
        _pair(
            operation,
            # Fencing tokens are built on the lock index: a plain write must not reset it.
            lock_index=before.lock_index if before else 0,
            session=before.session if before else "",
        ),
    )


def cas(tx: Tx, operation: KvOperation) -> bool:
    """Write only if the key was last changed at ``index``; 0 asks that it is absent."""
    before = tx.store.get(KV, operation.key)
    if (before.modify_index if before else 0) != operation.index:
        return False
    put(tx, operation)
    return True


def lock(tx: Tx, operation: KvOperation) -> bool:
    """Write and take the lock for a session; False while another session holds it."""
    if not operation.session:
        raise Invalid("missing session")
    if tx.store.get(SESSIONS, operation.session) is None:
        raise Invalid(f'invalid session "{operation.session}"')
    before = tx.store.get(KV, operation.key)
    if before is not None and before.session not in {"", operation.session}:
        return False
    held = before is not None and before.session == operation.session
    count = before.lock_index if before else 0
    lock_index = count if held else count + 1
    _write(tx, before, _pair(operation, lock_index=lock_index, session=operation.session))
    return True


def unlock(tx: Tx, operation: KvOperation) -> bool:
    """Write and give the lock back; False unless the session holds it."""
    before = tx.store.get(KV, operation.key)
    if not operation.session or before is None or before.session != operation.session:
        return False
    _write(tx, before, _pair(operation, lock_index=before.lock_index))
    return True


def delete(tx: Tx, key: str) -> None:
    """Remove a key, leaving a tombstone; an absent one is no change."""
    if tx.store.delete(KV, key) is not None:
        tx.store.put(TOMBSTONES, Tombstone(key=key, index=tx.index))
        tx.changed(KVS, TOMBSTONE_INDEX)


def delete_cas(tx: Tx, operation: KvOperation) -> bool:
    """Remove a key last changed at ``index``; True also when it is already gone."""
    before = tx.store.get(KV, operation.key)
    if before is None:
        return True
    if before.modify_index != operation.index:
        return False
    delete(tx, operation.key)
    return True


def delete_tree(tx: Tx, prefix: str) -> None:
    """Remove every key that starts with ``prefix``."""
    for pair in list(tx.store.prefix(KV, prefix)):
        delete(tx, pair.key)


def release(tx: Tx, pair: KeyValue) -> None:
    """Take the lock from a key whose session ended."""
    _write(tx, pair, replace(pair, session=""))


def reap_tombstones(tx: Tx, index: int) -> None:
    """Forget deletions at or before ``index``."""
    for tombstone in tx.store.all(TOMBSTONES):
        if tombstone.index <= index:
            tx.store.delete(TOMBSTONES, tombstone.key)


def _store(tx: Tx, before: KeyValue | None, after: KeyValue) -> KeyValue:
    if before is not None and _same(before, after):
        return before
    return _write(tx, before, after)


def _same(before: KeyValue, after: KeyValue) -> bool:
    return (
        before.value == after.value
        and before.flags == after.flags
        and before.session == after.session
        and before.lock_index == after.lock_index
    )


def _pair(operation: KvOperation, *, lock_index: int, session: str = "") -> KeyValue:
    return KeyValue(
        key=operation.key,
        value=operation.value,
        flags=operation.flags,
        lock_index=lock_index,
        session=session,
    )


def _write(tx: Tx, before: KeyValue | None, after: KeyValue) -> KeyValue:
    row = replace(
        after,
        create_index=before.create_index if before else tx.index,
        modify_index=tx.index,
    )
    tx.store.put(KV, row)
    tx.changed(KVS)
    return row


def run_in_transaction(tx: Tx, operation: KvOperation) -> list[KeyValue]:
    """One verb within a transaction: the pairs to show, or the refusal raised."""
    key = operation.key
    match operation.verb:
        case KvVerb.SET:
            return [_hide_value(put(tx, operation))]
        case KvVerb.DELETE:
            delete(tx, key)
            return []
        case KvVerb.DELETE_TREE:
            delete_tree(tx, key)
            return []
        case KvVerb.DELETE_CAS:
            if not delete_cas(tx, operation):
                raise Conflict(f'failed to delete key "{key}", index is stale')
            return []
        case KvVerb.CAS:
            if not cas(tx, operation):
                raise Conflict(f'failed to set key "{key}", index is stale')
        case KvVerb.LOCK:
            if not lock(tx, operation):
                raise Conflict(f'failed to lock key "{key}", lock is already held')
        case KvVerb.UNLOCK:
            if not unlock(tx, operation):
                raise Conflict(
                    f'failed to unlock key "{key}", lock isn\'t held, or is held by another session'
                )
        case _:
            return read_in_transaction(tx.store, operation)
    stored = tx.store.get(KV, key)
    assert stored is not None
    return [_hide_value(stored)]


def read_in_transaction(store: Store, operation: KvOperation) -> list[KeyValue]:
    """One verb that changes nothing: the pairs to show, or the refusal raised."""
    key = operation.key
    pair = store.get(KV, key)
    match operation.verb:
        case KvVerb.GET_TREE:
            return list(store.prefix(KV, key))
        case KvVerb.GET_OR_EMPTY:
            return [pair or KeyValue(key=key)]
        case KvVerb.CHECK_NOT_EXISTS:
            if pair is not None:
                raise Conflict(f'key "{key}" exists')
            return []
        case KvVerb.GET | KvVerb.CHECK_INDEX | KvVerb.CHECK_SESSION:
            if pair is None:
                raise NotFound(f'key "{key}" doesn\'t exist')
            return [pair if operation.verb == KvVerb.GET else _checked(pair, operation)]
        case verb:
            raise Invalid(f'unknown KV verb "{verb}"')


def _checked(pair: KeyValue, operation: KvOperation) -> KeyValue:
    if operation.verb == KvVerb.CHECK_INDEX and pair.modify_index != operation.index:
        raise Conflict(
            f'failed index check for key "{pair.key}", '
            f"current modify index {pair.modify_index} != {operation.index}"
        )
    if operation.verb == KvVerb.CHECK_SESSION and pair.session != operation.session:
        raise Conflict(
            f'failed session check for key "{pair.key}", '
            f'current session "{pair.session}" != "{operation.session}"'
        )
    return _hide_value(pair)


def _hide_value(pair: KeyValue) -> KeyValue:
    return replace(pair, value=b"")
