"""One read of the state: the rows, and a record of what the answer depends on.

A query names the last-change indexes, rows and prefixes that its answer depends on. From them come
the answer's index and the keys that a blocked reader waits for; no query mentions watches.
"""

from collections.abc import Hashable
from typing import Any

from catalog.schema import Table
from catalog.store import Store
from catalog.watch import Prefix, index_key


class Read:
    """``index`` is the greatest index that the answer depends on; ``watched`` is what moves it.

    ``is_settled`` says that nothing else moves it.
    """

    __slots__ = ("index", "is_settled", "store", "watched")

    def __init__(self, store: Store) -> None:
        self.store = store
        self.index = 0
        self.watched: list[Hashable] = []
        self.is_settled = True

    def depend(self, *names: str) -> int:
        """The answer depends on last-change indexes; the greatest of them."""
        for name in names:
            self.watched.append(index_key(name))
        greatest = self.store.last_index(*names)
        self.at(greatest)
        return greatest

    def at(self, index: int) -> None:
        """The answer is at least as new as ``index``."""
        self.index = max(self.index, index)

    def at_least(self, index: int) -> None:
        """The answer is as new as ``index``, which may move without waking who waits for it.

        So the answer's content may be kept until a watched key changes, but not its index.
        """
        self.is_settled = False
        self.at(index)

    def watch_row(self, table: Table[Any], key: Hashable) -> None:
        """A change of this row may change the answer."""
        self.watched.append((table.name, key))

    def watch_prefix(self, table: Table[Any], text: str) -> None:
        """A change of any row whose key starts with ``text`` may change the answer."""
        self.watched.append(Prefix(table.name, text))
