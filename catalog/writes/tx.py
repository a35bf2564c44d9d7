"""One command in progress: the store, the command's log index, and what it sets off."""

from typing import Final

import msgspec

from catalog.store import Store

LOCK_DELAY_NS_MAX: Final = 60_000_000_000  # Consul caps the delay when the session ends


class LockDelayed(msgspec.Struct, frozen=True):
    """A lock was lost with its session: nobody may take it for ``delay_ns``."""

    key: str
    delay_ns: int


class SessionEnded(msgspec.Struct, frozen=True):
    """A session is gone, for whatever reason."""

    id: str


class SessionBegan(msgspec.Struct, frozen=True):
    """A session with a TTL exists from now on."""

    id: str
    ttl: str


Effect = LockDelayed | SessionEnded | SessionBegan


class Tx:
    """Passed to every write. ``effects`` are for the leader's timers, not for the state."""

    __slots__ = ("effects", "index", "store")

    def __init__(self, store: Store, index: int) -> None:
        self.store = store
        self.index = index
        self.effects: list[Effect] = []

    def changed(self, *names: str) -> None:
        """Note that tables, services or kinds changed at this command's index."""
        for name in names:
            self.store.set_index(name, self.index)
