"""Who waits for which change: callbacks on row keys, last-change indexes and key prefixes.

A callback is called once, synchronously, after the change is complete, and is then forgotten.
Prefix watchers cost nothing to writes of other tables; a write looks up only the prefix lengths
that are being watched.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Final

import msgspec

WakeUp = Callable[[], None]


class Prefix(msgspec.Struct, frozen=True):
    """All rows of an ordered table whose key starts with ``text``.

    No tuple: it must not equal the watch key of the row whose key is ``text``.
    """

    table: str
    text: str


INDEX: Final = "index"


def index_key(name: str) -> tuple[str, str]:
    """The watch key of a last-change index."""
    return (INDEX, name)


class Watches:
    """The registered waits. All methods run on the thread that applies commands."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, dict[WakeUp, None]] = {}
        self._prefix_lengths: dict[str, dict[int, int]] = {}

    def add(self, keys: Iterable[Hashable], wake_up: WakeUp) -> None:
        """Call ``wake_up`` at the first change of any key. Pass the same keys to ``remove``."""
        for key in keys:
            waiting = self._by_key.setdefault(key, {})
            if not waiting and isinstance(key, Prefix):
                lengths = self._prefix_lengths.setdefault(key.table, {})
                lengths[len(key.text)] = lengths.get(len(key.text), 0) + 1
            waiting[wake_up] = None

    def remove(self, keys: Iterable[Hashable], wake_up: WakeUp) -> None:
        """Forget a wait; one that has been woken or was never added is no error."""
        for key in keys:
            waiting = self._by_key.get(key)
            if waiting is None:
                continue
            waiting.pop(wake_up, None)
            if not waiting:
                self._forget(key)

    def _forget(self, key: Hashable) -> None:
        del self._by_key[key]
        if isinstance(key, Prefix):
            lengths = self._prefix_lengths[key.table]
            lengths[len(key.text)] -= 1
            if not lengths[len(key.text)]:
                del lengths[len(key.text)]

    def notify(self, touched: Iterable[tuple[str, Hashable]]) -> None:
        """Wake everyone who waits for one of the changed rows or indexes."""
        if not self._by_key:
            return
        woken: dict[WakeUp, None] = {}
        for key in touched:
            self._take(key, woken)
            lengths = self._prefix_lengths.get(key[0])
            if lengths and isinstance(key[1], str):
                for length in list(lengths):
                    if length <= len(key[1]):
                        self._take(Prefix(key[0], key[1][:length]), woken)
        for wake_up in woken:
            wake_up()

    def notify_all(self) -> None:
        """Wake everyone: the whole state was replaced."""
        woken = {wake_up: None for waiting in self._by_key.values() for wake_up in waiting}
        self._by_key.clear()
        self._prefix_lengths.clear()
        for wake_up in woken:
            wake_up()

    def _take(self, key: Hashable, woken: dict[WakeUp, None]) -> None:
        waiting = self._by_key.get(key)
        if waiting:
            woken.update(waiting)
            self._forget(key)

    def __len__(self) -> int:
        return len(self._by_key)
