"""The numbered writes to storage: one is open and grows, the others are on their way.

Storage does them whole and in order, so one number says what is durable. An entry overwritten
while its first write was under way is never taken for durable by mistake: cutting the log also
cuts what the earlier writes are worth (no term has to be compared; cf. the A-B-A overwrite in
etcd's ``async_storage_writes_append_aba_race``).
"""

from collections import deque
from collections.abc import Sequence

from raft.entries import Entry, HardState, Mark, Write


class _UnderWay:
    """A write that storage has: the log ends at ``end_index`` once it is done."""

    __slots__ = ("end_index", "issued_at", "sequence")

    def __init__(self, sequence: int, end_index: int, issued_at: float) -> None:
        self.sequence = sequence
        self.end_index = end_index
        self.issued_at = issued_at


class Writes:
    """``stable_index``: the log is durable up to here. ``persisted_sequence``: the last one done.

    ``end_index`` is where the log ends when all writes, the open one too, are done.
    """

    __slots__ = (
        "_entries",
        "_hard_state",
        "_is_vote_open",
        "_mark",
        "_release_before",
        "_sequence",
        "_truncate_to",
        "_under_way",
        "_vote_sequence",
        "end_index",
        "persisted_sequence",
        "stable_index",
    )

    def __init__(self, hard_state: HardState, end_index: int) -> None:
        self._hard_state = hard_state
        self.end_index = end_index
        self.stable_index = end_index
        self.persisted_sequence = 0
        self._sequence = 1  # of the open write
        self._vote_sequence = 0
        self._under_way: deque[_UnderWay] = deque()
        self._open()

    def _open(self) -> None:
        self._mark: Mark | None = None
        self._is_vote_open = False
        self._truncate_to: int | None = None
        self._entries: list[Entry] = []
        self._release_before = 0

    # --- what goes into the open write ---

    def set_vote(self, term: int, vote: str) -> None:
        """Term and vote are one record: no crash parts them (hashicorp/raft#661)."""
        self._hard_state = HardState(term, vote, self._hard_state.commit_index)
        self._is_vote_open = True
        self._vote_sequence = self._sequence

    def append(self, entries: Sequence[Entry]) -> None:
        """These follow the log."""
        assert entries[0].index == self.end_index + 1
        self._entries.extend(entries)
        self.end_index = entries[-1].index

    def truncate(self, index_last: int) -> None:
        """Entries above ``index_last`` are void."""
        begun_at = self.end_index - len(self._entries)  # what is below is with storage already
        self.end_index = index_last
        if index_last < begun_at:
            self._entries.clear()
            self._truncate_to = index_last
        else:
            del self._entries[index_last - begun_at :]
        self._worth_at_most(index_last)

    def restart(self, mark: Mark, index_kept: int) -> None:
        """A stored snapshot takes the log's place; only up to ``index_kept`` they agree."""
        self._entries.clear()
        self._truncate_to = None
        self._mark = mark
        self.end_index = mark.index
        self._worth_at_most(index_kept)

    def mark(self, mark: Mark, release_before: int) -> None:
        """A stored snapshot covers the log; entries below ``release_before`` are not needed."""
        if self._mark is None or self._mark.index < mark.index:
            self._mark = mark
        self._release_before = max(self._release_before, release_before)

    def _worth_at_most(self, index: int) -> None:
        self.stable_index = min(self.stable_index, index)
        for write in self._under_way:
            write.end_index = min(write.end_index, index)

    # --- numbers ---

    @property
    def sequence_needed(self) -> int:
        """When this one is done, all that was decided so far is durable."""
        return self._sequence if self._is_open() else self._sequence - 1

    @property
    def vote_sequence(self) -> int:
        """When this one is done, term and vote are durable."""
        return self._vote_sequence

    @property
    def oldest_issued_at(self) -> float | None:
        """Since when storage has been busy with its oldest write; None when it is idle."""
        return self._under_way[0].issued_at if self._under_way else None

    def close(self, commit_index: int, now: float) -> Write | None:
        """The open write, to be handed to storage, and a new one begins; None when it is empty.

        The commit hint rides along and never covers an entry that is not durable yet.
        """
        if not self._is_open():
            return None
        hard_state = self._hard_state
        hint_index = min(commit_index, self.stable_index)
        is_hint_newer = hint_index > hard_state.commit_index
        if is_hint_newer:
            self._hard_state = HardState(hard_state.term, hard_state.vote, hint_index)
        write = Write(
            sequence=self._sequence,
            mark=self._mark,
            hard_state=self._hard_state if self._is_vote_open or is_hint_newer else None,
            truncate_to=self._truncate_to,
            entries=self._entries,
            release_before=self._release_before,
        )
        self._under_way.append(_UnderWay(self._sequence, self.end_index, now))
        self._sequence += 1
        self._open()
        return write

    def persisted(self, sequence: int) -> None:
        """Everything up to this write is durable; earlier reports may be repeated."""
        assert sequence < self._sequence, "storage reports a write it was not given"
        while self._under_way and self._under_way[0].sequence <= sequence:
            write = self._under_way.popleft()
            self.stable_index = max(self.stable_index, write.end_index)
        self.persisted_sequence = max(self.persisted_sequence, sequence)

    def _is_open(self) -> bool:
        return bool(
            self._entries
            or self._is_vote_open
            or self._mark is not None
            or self._truncate_to is not None
        )
