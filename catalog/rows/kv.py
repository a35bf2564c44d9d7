"""Key/value pairs. Source: Consul API, /v1/kv."""

from catalog.schema import Omit, Row


class KeyValue(Row, frozen=True, kw_only=True):
    """A pair. ``lock_index`` counts acquisitions; ``session`` holds the lock."""

    lock_index: int = 0
    key: str
    flags: int = 0
    value: bytes = b""
    session: Omit[str] = ""
    create_index: int = 0
    modify_index: int = 0


class Tombstone(Row, frozen=True, kw_only=True):
    """That a key was deleted at ``index``: keeps the index of its prefixes from going back."""

    key: str
    index: int
