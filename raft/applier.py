"""From committed to applied: strictly in order, in slices that let the loop breathe.

A slice ends after ``APPLY_SLICE_S``; ``run`` says whether something is left. An exception out of
the state machine means that its state is unknown and servers would differ: it is passed on.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from raft.entries import Entry, Kind
from raft.errors import RaftError
from raft.machine import StateMachine
from raft.proposals import Proposals

APPLY_SLICE_S: Final = 0.002  # then other callbacks get their turn: heartbeats, clients
APPLY_STRIDE_ENTRIES: Final = 32  # between two looks at the clock

_log = logging.getLogger("raft")


class Applier:
    """Applies to ``machine``; ``applied_index`` and ``applied_term`` are those of the newest entry.

    Answers those of ``proposals`` that are applied. ``has_applied``: anything since this process
    began.
    """

    def __init__(
        self, machine: StateMachine, proposals: Proposals, now: Callable[[], float]
    ) -> None:
        self.applied_index = 0
        self.applied_term = 0
        self.has_applied = False
        self._machine = machine
        self._proposals = proposals
        self._now = now
        self._queue: deque[Entry] = deque()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._failure: RaftError | None = None

    @property
    def has_work(self) -> bool:
        """Whether committed entries wait."""
        return bool(self._queue)

    @property
    def committed_index(self) -> int:
        """The newest entry that was handed over."""
        return self._queue[-1].index if self._queue else self.applied_index

    def restore(self, index: int, term: int, chunks: Iterator[bytes]) -> None:
        """Take over the state of a snapshot. Raises ``ValueError``, then nothing has changed."""
        self._machine.restore(chunks)
        self.restored(index, term)

    def restored(self, index: int, term: int) -> None:
        """The state machine holds the state at ``index`` already."""
        assert index >= self.applied_index, "the state would go back"
        self._queue.clear()
        self._note(index, term)

    def hand(self, committed: Sequence[Entry]) -> None:
        """Entries to apply, following those handed over before."""
        assert committed[0].index == self.committed_index + 1
        self._queue.extend(committed)

    def run(self) -> None:
        """Apply one slice of what waits, and answer its proposers."""
        queue, apply, take_done = self._queue, self._machine.apply, self._proposals.waiting.pop
        until_s = self._now() + APPLY_SLICE_S
        entry, freed_bytes = None, 0
        while queue:
            for _ in range(min(APPLY_STRIDE_ENTRIES, len(queue))):
                entry = queue.popleft()
                index, payload = entry.index, entry.payload
                result = apply(index, payload) if entry.kind is Kind.COMMAND else None
                self.applied_index = index
                done = take_done(index, None)
                if done is not None:
                    freed_bytes += len(payload)
                    try:
                        done(index, result)
                    except Exception:  # noqa: BLE001 - one proposer's bug must not stop the others
                        _log.exception("the proposer of entry %d failed", index)
            if self._now() >= until_s:
                break
        if entry is not None:
            self._proposals.release(freed_bytes)
            self._note(entry.index, entry.term)

    async def applied(self, index: int) -> None:
        """Wait until ``index`` is applied; raises what ``fail`` was given."""
        if self.applied_index >= index:
            return
        if self._failure is not None:
            raise self._failure
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((index, waiter))
        await waiter

    def fail(self, error: RaftError) -> None:
        """Nothing will be applied any more: let nobody wait for ever."""
        self._failure = error
        self.lose(self.applied_index, error)

    def lose(self, index: int, error: RaftError) -> None:
        """What is above ``index`` may never be applied as it was meant."""
        waiters, self._waiters = self._waiters, []
        for wanted, waiter in waiters:
            if wanted <= index:
                self._waiters.append((wanted, waiter))
            elif not waiter.done():
                waiter.set_exception(error)

    def _note(self, index: int, term: int) -> None:
        self.applied_index, self.applied_term = index, term
        self.has_applied = True
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiters = self._waiters, []
        for index, waiter in waiting:
            if waiter.done():
                continue
            if index <= self.applied_index:
                waiter.set_result(None)
            else:
                self._waiters.append((index, waiter))
