"""Reads of keys. Source: Consul API, /v1/kv; the index rules of blocking reads on keys."""

from catalog.read import Read
from catalog.rows.kv import KeyValue
from catalog.tables import KV, TOMBSTONES

KV_INDEXES = ("kvs", "tombstones")


def get(read: Read, key: str) -> KeyValue | None:
    """One pair. Its index is its own; that of an absent key is the table's."""
    read.watch_row(KV, key)
    pair = read.store.get(KV, key)
    if pair is None:
        read.at_least(read.store.last_index(*KV_INDEXES))
    else:
        read.at(pair.modify_index)
    return pair


def list_prefix(read: Read, prefix: str) -> list[KeyValue]:
    """All pairs under a prefix, in the order of their keys."""
    pairs = list(read.store.prefix(KV, prefix))
    _prefix_index(read, prefix, pairs)
    return pairs


def list_keys(read: Read, prefix: str, separator: str) -> list[str]:
    """The keys under a prefix, each cut after the first separator that follows the prefix."""
    pairs = list_prefix(read, prefix)
    if not separator:
        return [pair.key for pair in pairs]
    keys: list[str] = []
    for pair in pairs:
        cut = pair.key.find(separator, len(prefix))
        key = pair.key if cut < 0 else pair.key[: cut + len(separator)]
        if not keys or keys[-1] != key:
            keys.append(key)
    return keys


def _prefix_index(read: Read, prefix: str, pairs: list[KeyValue]) -> None:
    if not prefix:
        read.depend(*KV_INDEXES)
        return
    read.watch_prefix(KV, prefix)
    tombstones = read.store.prefix(TOMBSTONES, prefix)
    index = max(
        max((pair.modify_index for pair in pairs), default=0),
        max((tombstone.index for tombstone in tombstones), default=0),
    )
    # Nothing was ever there: the table's index lets a reader wait for the first key.
    if index:
        read.at(index)
    else:
        read.at_least(read.store.last_index(*KV_INDEXES))
