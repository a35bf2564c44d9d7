"""The simulated disk of one server: what it holds, what a crash leaves, and when it is done.

Modelled at the level of ``Write``s, with the meaning that ``raft.log_index`` gives to records. A
round takes all that was queued when it began and is reported whole. A crash keeps every finished
round and, of the rest, any prefix of the records: that is what recovery of the real log yields.
Snapshots appear whole or not at all, and on their own: a crash may come between a snapshot and its
mark in the log.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final, TypeAlias

import msgspec

from raft.core.types import Restart, SnapshotStore
from raft.entries import Entry, HardState, Mark, SnapshotMeta, Write

SEGMENT_ENTRIES: Final = 8  # entries go away by whole segments, so some stay longer than asked
RETAINED: Final = 2  # snapshots, as raft.snapshots keeps them


class Truncation(msgspec.Struct, frozen=True):
    """The record by which entries above ``index_last`` are void."""

    index_last: int


Record: TypeAlias = Mark | HardState | Truncation | Entry


def records_of(write: Write) -> Iterator[Record]:
    """The records of a write, in their order on disk."""
    if write.mark is not None:
        yield write.mark
    if write.hard_state is not None:
        yield write.hard_state
    if write.truncate_to is not None:
        yield Truncation(write.truncate_to)
    yield from write.entries


class Image:
    """What a run of records adds up to: a log ``[first_index, last_index]`` and a hard state."""

    def __init__(self) -> None:
        self.hard_state = HardState()
        self.first_index = 1
        self.base_term = 0  # of the entry before the first; 0 when nobody knows
        self.entries: list[Entry] = []

    @property
    def last_index(self) -> int:
        return self.first_index + len(self.entries) - 1

    def entry(self, index: int) -> Entry | None:
        at = index - self.first_index
        return self.entries[at] if 0 <= at < len(self.entries) else None

    def term(self, index: int) -> int | None:
        """Term of an entry or of the base; None for any other index."""
        at = index - self.first_index
        if 0 <= at < len(self.entries):
            return self.entries[at].term
        return self.base_term if at == -1 else None

    def note(self, record: Record) -> None:
        """Take one record into account."""
        match record:
            case HardState():
                self.hard_state = record
            case Mark():
                if not self._agrees(record):
                    self._restart(record.index, record.term)
            case Truncation(index_last):
                assert index_last >= self.first_index - 1, "a released entry was cut off"
                del self.entries[index_last - self.first_index + 1 :]
            case Entry():
                assert record.index == self.last_index + 1, "an entry does not follow the log"
                self.entries.append(record)

    def release(self, first_index: int) -> None:
        """Forget whole segments below ``first_index``."""
        count = min(first_index, self.last_index + 1) - self.first_index
        count -= count % SEGMENT_ENTRIES
        if count > 0:
            self.base_term = self.entries[count - 1].term
            del self.entries[:count]
            self.first_index += count

    def _agrees(self, mark: Mark) -> bool:
        if mark.index > self.last_index or (not self.entries and mark.index == self.last_index):
            return False
        return mark.index < self.first_index or self.term(mark.index) == mark.term

    def _restart(self, index: int, term: int) -> None:
        self.entries, self.first_index, self.base_term = [], index + 1, term


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """How long a sync takes: seconds, exponential above the minimum; rarely much longer."""

    sync_s_min: float = 0.0002
    sync_s_mean: float = 0.001
    stall: float = 0.0  # chance that a sync takes up to ``stall_s_max``
    stall_s_max: float = 1.0


CALM: Final = Speed()


class Disk:
    """Outlives the processes that use it. ``at(delay_s, action)`` is the world's clock.

    ``persisted`` is called after each round, ``failed`` when a round cannot be done: then the
    process must die. Both are set by the process of the day.
    """

    def __init__(self, rng: Random, at: Callable[[float, Callable[[], None]], None]) -> None:
        self.speed = CALM
        self.image = Image()
        self.snapshots: dict[str, tuple[SnapshotMeta, bytes]] = {}  # oldest first
        self.hangs = False
        self.fails_next = False
        self.persisted: Callable[[int], None] = lambda _: None
        self.failed: Callable[[], None] = lambda: None
        self._rng = rng
        self._at = at
        self._queue: list[Write] = []
        self._round: list[Write] = []
        self._stores: dict[int, Callable[[], object]] = {}  # of snapshots, under way
        self._stores_count = 0
        self._tries = 0  # to finish the round under way: a hung one is tried again
        self._staged: tuple[SnapshotMeta, list[bytes]] | None = None

    # --- the log ---

    def persist(self, write: Write) -> None:
        """Queue a write; a round begins when none is under way."""
        self._queue.append(write)
        if not self._round:
            self._begin()

    def close(self) -> None:
        """The world ends."""

    def slow_down(self, sync_s_mean: float) -> None:
        """Every sync takes this long on average."""
        self.speed = Speed(sync_s_mean=sync_s_mean)

    def set_speed(self, speed: Speed) -> None:
        """Syncs take their time as told."""
        self.speed = speed

    def resume(self) -> None:
        """A hung sync goes on."""
        self.hangs = False
        for number in self._stores:
            self._store_later(number)  # whichever try comes first
        if self._round:
            self._finish_later()

    def heal(self) -> None:
        """A hung or slow sync ends soon, and nothing fails any more."""
        self.fails_next, self.speed = False, CALM
        self.resume()

    def _begin(self) -> None:
        self._round, self._queue = self._queue, []
        if self._round and not self.hangs:
            self._finish_later()

    def _finish_later(self) -> None:
        self._tries += 1
        attempt = self._tries
        self._at(self._sync_s(), lambda: self._finish(attempt))

    def _sync_s(self) -> float:
        speed = self.speed
        if speed.stall and self._rng.random() < speed.stall:
            return self._rng.uniform(0, speed.stall_s_max)
        return speed.sync_s_min + self._rng.expovariate(1 / speed.sync_s_mean)

    def _finish(self, attempt: int) -> None:
        if attempt != self._tries or self.hangs:
            return
        if self.fails_next:
            self.fails_next = False
            self.failed()
            return
        self._sync(self._round)
        sequence = self._round[-1].sequence
        self._round = []
        self._begin()
        self.persisted(sequence)

    def crash(self) -> None:
        """The process is gone; a prefix of what was not synced may have come through."""
        self._stores.clear()
        self._tries += 1
        self._tear(self._round, self._queue)
        self._round, self._queue, self._staged = [], [], None

    def _sync(self, writes: Sequence[Write]) -> None:
        """A round is durable."""
        for write in writes:
            for record in records_of(write):
                self.image.note(record)
        if release_before := max(write.release_before for write in writes):
            self.image.release(release_before)

    def _tear(self, writes: Sequence[Write], queued: Sequence[Write]) -> None:
        """A crash came into a round; the next one, of what was queued, may have begun."""
        records = [record for write in (*writes, *queued) for record in records_of(write)]
        for record in records[: self._rng.randint(0, len(records))]:
            self.image.note(record)

    def _restart_log(self, mark: Mark) -> None:
        """The log ends before the snapshot: it goes on behind it."""
        self.image.note(mark)

    def recover(self) -> Restart:
        """What the next process finds. An assertion fails where the real log refuses to start."""
        image = self.image
        assert image.hard_state.commit_index <= image.last_index, "the commit hint is past the log"
        snapshot = self.newest()
        if snapshot is None:
            assert image.first_index == 1, "the log has no beginning and there is no snapshot"
        else:
            assert image.first_index <= snapshot.index + 1, "a hole between snapshot and log"
            if image.last_index < snapshot.index:
                self._restart_log(Mark(snapshot.index, snapshot.term))
        return Restart(hard_state=image.hard_state, snapshot=snapshot, entries=tuple(image.entries))

    # --- snapshots ---

    def newest(self) -> SnapshotMeta | None:
        """The newest snapshot by term and index."""
        metas = [meta for meta, _ in self.snapshots.values()]
        return max(metas, key=lambda meta: (meta.term, meta.index), default=None)

    def keep(self, meta: SnapshotMeta, content: bytes, done: Callable[[], None]) -> None:
        """Store a snapshot of the own machine; ``done`` once it is durable."""
        self._later(lambda: (self._add(meta, content), done()))

    def store(self, chunk: SnapshotStore, done: Callable[[], None]) -> None:
        """Store a chunk of a received snapshot; ``done`` after it, or once the whole is durable."""
        if chunk.offset == 0:
            self._staged = (chunk.meta, [])
        assert self._staged is not None, "a chunk without a beginning"
        meta, parts = self._staged
        assert meta == chunk.meta, "a chunk of another snapshot"
        assert sum(map(len, parts)) == chunk.offset, "a chunk does not follow"
        parts.append(chunk.content)

        def finish() -> None:
            if chunk.is_last:
                assert sum(map(len, parts)) == meta.size_bytes, "a snapshot of the wrong size"
                self._add(meta, b"".join(parts))
            done()

        self._later(finish)

    def read(self, snapshot_id: str, offset: int, bytes_max: int) -> bytes | None:
        """Bytes of a stored snapshot; None when it is gone."""
        found = self.snapshots.get(snapshot_id)
        return found[1][offset : offset + bytes_max] if found else None

    def _add(self, meta: SnapshotMeta, content: bytes) -> None:
        self.snapshots[meta.id] = (meta, content)
        order = sorted(self.snapshots.values(), key=lambda kept: (kept[0].term, kept[0].index))
        for old, _ in order[:-RETAINED]:
            del self.snapshots[old.id]

    def _later(self, action: Callable[[], object]) -> None:
        self._stores_count += 1
        self._stores[self._stores_count] = action
        self._store_later(self._stores_count)

    def _store_later(self, number: int) -> None:
        self._at(2 * self._sync_s(), lambda: self._finish_store(number))

    def _finish_store(self, number: int) -> None:
        if number in self._stores and not self.hangs:
            self._stores.pop(number)()
