"""The log in memory: entries above a base that a snapshot covers, and questions about terms.

Entry ``index`` lies at ``index - base_index - 1`` of a list; beside it a running total of bytes,
so that the size of any stretch is one subtraction and no counter can leak. An entry costs its
payload and ``ENTRY_OVERHEAD_BYTES``. Terms never fall along a log, hence the binary searches.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Final

from raft.entries import Entry

ENTRY_OVERHEAD_BYTES: Final = 64  # what an empty entry still costs in memory, log and message

_term_of = attrgetter("term")


class RaftLog:
    """The live range is ``[first_index, last_index]``; ``base_term`` is that of the entry before.

    Reading outside of it is our bug.
    """

    __slots__ = ("_base_bytes", "_entries", "_totals", "base_index", "base_term", "last_index")

    def __init__(self, base_index: int = 0, base_term: int = 0) -> None:
        self.restart(base_index, base_term)

    def restart(self, base_index: int, base_term: int) -> None:
        """Forget every entry; the next one is ``base_index + 1``."""
        self.base_index = base_index
        self.base_term = base_term
        self.last_index = base_index
        self._entries: list[Entry] = []
        self._totals: list[int] = []  # bytes of all entries up to this one
        self._base_bytes = 0

    @property
    def first_index(self) -> int:
        """The oldest entry that can be read; ``last_index + 1`` when there is none."""
        return self.base_index + 1

    @property
    def last_term(self) -> int:
        """Term of the newest entry, or of the base."""
        return self._entries[-1].term if self._entries else self.base_term

    def term(self, index: int) -> int | None:
        """Term of an entry or of the base; None for any other index."""
        position = index - self.base_index - 1
        if position == -1:
            return self.base_term
        return self._entries[position].term if 0 <= position < len(self._entries) else None

    def entries(self, first_index: int, last_index: int) -> Sequence[Entry]:
        """``[first_index, last_index]``; empty when last < first."""
        assert self.first_index <= first_index, "these entries were released"
        assert last_index <= self.last_index
        start = first_index - self.base_index - 1
        return self._entries[start : start + max(last_index - first_index + 1, 0)]

    def batch(self, first_index: int, count_max: int, bytes_max: int) -> Sequence[Entry]:
        """Entries from ``first_index`` on: the one that crosses ``bytes_max`` is the last."""
        start = first_index - self.base_index - 1
        limit = self._bytes_before(start) + bytes_max
        end = bisect_left(self._totals, limit, start) + 1
        return self._entries[start : min(end, start + count_max)]

    def bytes_between(self, index: int, last_index: int) -> int:
        """Size of the entries above ``index`` up to ``last_index``."""
        return self._bytes_before(last_index - self.base_index) - self._bytes_before(
            index - self.base_index
        )

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries that follow without a hole."""
        assert entries[0].index == self.last_index + 1
        total = self._totals[-1] if self._totals else self._base_bytes
        sizes = [len(entry.payload) + ENTRY_OVERHEAD_BYTES for entry in entries]
        sizes[0] += total
        self._totals.extend(accumulate(sizes))
        self._entries.extend(entries)
        self.last_index += len(entries)
        assert entries[-1].index == self.last_index

    def truncate(self, index_last: int) -> None:
        """Forget the entries above ``index_last``."""
        assert self.base_index <= index_last <= self.last_index
        del self._entries[index_last - self.base_index :]
        del self._totals[index_last - self.base_index :]
        self.last_index = index_last

    def release(self, base_index: int) -> None:
        """Forget the entries up to ``base_index``, which stays known by its term."""
        base_term = self.term(base_index)
        assert base_term is not None
        count = base_index - self.base_index
        self._base_bytes = self._bytes_before(count)
        del self._entries[:count]
        del self._totals[:count]
        self.base_index = base_index
        self.base_term = base_term

    def first_of_last_bytes(self, bytes_max: int) -> int:
        """The oldest index from which on the entries take at most ``bytes_max``."""
        total = self._totals[-1] if self._totals else self._base_bytes
        if total - self._base_bytes <= bytes_max:
            return self.first_index
        return self.base_index + bisect_left(self._totals, total - bytes_max) + 2

    def conflict_hint(self, index: int, term: int) -> int:
        """The largest index <= ``index`` whose term is <= ``term``: below it logs may agree.

        One less than the base when no such entry is left. With both sides asking it, a probe
        skips a whole term of the other log. Source: etcd-io/raft, findConflictByTerm.
        """
        position = min(index, self.last_index) - self.base_index
        if position > 0:
            position = bisect_right(self._entries, term, 0, position, key=_term_of)
        if position > 0 or (position == 0 and self.base_term <= term):
            return self.base_index + position
        return max(min(index, self.base_index - 1), 0)

    def _bytes_before(self, position: int) -> int:
        return self._totals[position - 1] if position > 0 else self._base_bytes
