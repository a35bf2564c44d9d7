"""The rows of all tables, their indexes, and the undo of a refused command.

One thread owns a store; rows are frozen values, so a reader may keep what it got. Every change is
recorded: for undo until the command is complete, and for the watches after it.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, TypeVar

from sortedcontainers import SortedList

from catalog.schema import Row, Table
from catalog.tables import SCHEMA
from catalog.watch import INDEX, Watches

R = TypeVar("R", bound=Row)


class _Rows:
    """One table's rows by primary key, by index value, and in key order."""

    __slots__ = ("by_index", "by_key", "order", "table")

    def __init__(self, table: Table[Any]) -> None:
        self.table = table
        self.by_key: dict[Any, Any] = {}
        self.by_index: dict[str, dict[Hashable, dict[Any, Any]]] = {
            index.name: {} for index in table.indexes
        }
        self.order = SortedList() if table.ordered else None

    def put(self, key: Any, row: Any) -> Any:
        before = self.by_key.get(key)
        self.by_key[key] = row
        if before is None:
            if self.order is not None:
                self.order.add(key)
        else:
            self._unindex(key, before)
        for index in self.table.indexes:
            values = self.by_index[index.name]
            for value in index.keys(row):
                values.setdefault(value, {})[key] = row
        return before

    def delete(self, key: Any) -> Any:
        before = self.by_key.pop(key, None)
        if before is not None:
            self._unindex(key, before)
            if self.order is not None:
                self.order.remove(key)
        return before

    def _unindex(self, key: Any, row: Any) -> None:
        for index in self.table.indexes:
            values = self.by_index[index.name]
            for value in index.keys(row):
                found = values[value]
                del found[key]
                if not found:
                    del values[value]


class Store:
    """All tables, the last-change indexes, and the watches on both."""

    def __init__(self) -> None:
        self._tables: dict[str, _Rows] = {table.name: _Rows(table) for table in SCHEMA}
        self.indexes: dict[str, int] = {}
        self.watches = Watches()
        # How often the whole state was replaced, and the last index of the history before it.
        self.generation = 0
        self.changes = 0
        self.abandoned_index = 0
        self._undo: list[tuple[_Rows | None, Any, Any]] = []
        self._touched: list[tuple[str, Hashable]] = []

    # Reading.

    def get(self, table: Table[R], key: Hashable) -> R | None:
        """The row with a primary key, or None."""
        row: R | None = self._tables[table.name].by_key.get(key)
        return row

    def find(self, table: Table[R], index: str, value: Hashable) -> list[R]:
        """The rows that an index finds, in the order of their primary keys."""
        found = self._tables[table.name].by_index[index].get(value)
        if not found:
            return []
        if len(found) == 1:
            return list(found.values())
        return [found[key] for key in sorted(found)]

    def has(self, table: Table[R], index: str, value: Hashable) -> bool:
        """Whether an index finds any row."""
        return value in self._tables[table.name].by_index[index]

    def values(self, table: Table[R], index: str) -> list[Any]:
        """The distinct values of an index, sorted."""
        return sorted(self._tables[table.name].by_index[index])

    def all(self, table: Table[R]) -> list[R]:
        """Every row, in the order of the primary keys."""
        rows = self._tables[table.name]
        order: Iterable[Any] = rows.order if rows.order is not None else sorted(rows.by_key)
        return [rows.by_key[key] for key in order]

    def prefix(self, table: Table[R], text: str) -> Iterator[R]:
        """The rows of an ordered table whose keys start with ``text``, in order."""
        rows = self._tables[table.name]
        assert rows.order is not None
        if not text:
            yield from (rows.by_key[key] for key in rows.order)
            return
        for key in rows.order.irange(minimum=text):
            if not key.startswith(text):
                return
            yield rows.by_key[key]

    def count(self, table: Table[R]) -> int:
        """How many rows a table holds."""
        return len(self._tables[table.name].by_key)

    def last_index(self, *names: str) -> int:
        """The greatest of the named last-change indexes; 0 if none was ever set."""
        return max([self.indexes.get(name, 0) for name in names], default=0)

    # Changing: only inside a command, which ends with ``commit`` or ``rollback``.

    def put(self, table: Table[R], row: R) -> None:
        """Store a row, replacing the one with its key."""
        rows = self._tables[table.name]
        key = table.key(row)
        self._undo.append((rows, key, rows.put(key, row)))
        self._touched.append((table.name, key))

    def delete(self, table: Table[R], key: Hashable) -> R | None:
        """Remove a row and return it; None if there is none."""
        rows = self._tables[table.name]
        before: R | None = rows.delete(key)
        if before is not None:
            self._undo.append((rows, key, before))
            self._touched.append((table.name, key))
        return before

    def set_index(self, name: str, index: int) -> None:
        """Note that what ``name`` stands for changed at a log index."""
        self._undo.append((None, name, self.indexes.get(name)))
        self.indexes[name] = index
        self._touched.append((INDEX, name))

    def drop_index(self, name: str) -> None:
        """Forget a last-change index, when what it stands for is gone."""
        before = self.indexes.pop(name, None)
        if before is not None:
            self._undo.append((None, name, before))
            self._touched.append((INDEX, name))

    def commit(self) -> None:
        """Keep what the command changed and wake who waits for it."""
        touched, self._touched = self._touched, []
        self._undo.clear()
        if touched:
            self.changes += 1
            self.watches.notify(touched)

    def rollback(self) -> None:
        """Undo what the command changed, last change first."""
        for rows, key, before in reversed(self._undo):
            if rows is None:
                if before is None:
                    self.indexes.pop(key, None)
                else:
                    self.indexes[key] = before
            elif before is None:
                rows.delete(key)
            else:
                rows.put(key, before)
        self._undo.clear()
        self._touched.clear()

    # Snapshots.

    def freeze(self) -> tuple[dict[str, int], list[tuple[Table[Any], list[Any]]]]:
        """The last-change indexes and all rows of now, safe to read on another thread."""
        tables = [(rows.table, list(rows.by_key.values())) for rows in self._tables.values()]
        return dict(self.indexes), tables

    def load(self, indexes: dict[str, int], rows: Iterable[tuple[Table[Any], Any]]) -> None:
        """Replace everything, then wake every watcher."""
        tables = {table.name: _Rows(table) for table in SCHEMA}
        for table, row in rows:
            tables[table.name].put(table.key(row), row)
        self.abandoned_index = max([self.abandoned_index, *self.indexes.values()])
        self._tables = tables
        self.indexes = dict(indexes)
        self.generation += 1
        self.changes += 1
        self.watches.notify_all()
