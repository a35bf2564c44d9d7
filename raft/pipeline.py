"""From submitted to applied: numbering, one write a loop turn, apply in order, tell the proposer.

The part of the driver that every proposal passes; it knows nothing of files, terms of office or
snapshots. Everything here runs on the loop thread. Counters only grow, except in ``restart``.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from raft.entries import (
    COMMAND_BYTES_MAX,
    Configuration,
    Entry,
    HardState,
    Kind,
    Mark,
    Write,
    decode_configuration,
)
from raft.errors import Overloaded, Stopped, TooLarge
from raft.machine import Done, StateMachine
from raft.storage import Storage

BACKLOG_BYTES_MAX: Final = 64 * 1024 * 1024  # submitted, not yet applied: refuse before memory does
BACKLOG_COUNT_MAX: Final = 65_536  # tiny commands cost more as objects than as bytes
APPLY_SLICE_ENTRIES: Final = 128  # about 2 ms of applies, then other callbacks get their turn

_log = logging.getLogger("raft")


class Pipeline:
    """Indexes: ``applied_index <= commit_index <= last_index``; ``term`` goes into new entries."""

    def __init__(
        self, machine: StateMachine, storage: Storage, on_fatal: Callable[[BaseException], None]
    ) -> None:
        self.term = 0
        self.last_index = 0
        self.commit_index = 0
        self.applied_index = 0
        self.applied_term = 0
        self.configuration = Configuration()
        self.configuration_index = 0
        self._machine = machine
        self._storage = storage
        self._on_fatal = on_fatal
        self._refusal: str | None = "the log has not started"
        self._failure: str | None = None
        self._shortage: str | None = None
        self._paused = False
        self._sequence = 0
        self._pending: list[tuple[bytes, Done]] = []
        self._flush_due = False
        self._writes: deque[tuple[int, int]] = deque()  # (sequence, last index) not yet durable
        self._unapplied: deque[tuple[Entry, Done | None]] = deque()
        self._backlog_bytes = 0
        self._slice_due = False
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._proposals: set[asyncio.Future[tuple[int, object]]] = set()

    def open(self) -> None:
        """Take proposals from now on; called on the loop."""
        self._loop = asyncio.get_running_loop()
        self._refusal = None

    def close(self, reason: str) -> None:
        """Refuse proposals from now on; what was taken goes on."""
        self._refusal = self._refusal or reason

    def submit(self, command: bytes, done: Done) -> None:
        """Take a command; ``done(index, result)`` follows once it is durable and applied.

        Raises ``TooLarge``, ``Overloaded`` or ``Stopped`` at once; then nothing was taken.
        """
        command_bytes = len(command)
        if command_bytes > COMMAND_BYTES_MAX:
            raise TooLarge(command_bytes, COMMAND_BYTES_MAX)
        if self._refusal is not None:
            raise Stopped(self._refusal)
        if self._shortage is not None:
            self._check_room()
        backlog_bytes = self._backlog_bytes + command_bytes
        if (
            backlog_bytes > BACKLOG_BYTES_MAX
            or len(self._pending) + len(self._unapplied) >= BACKLOG_COUNT_MAX
        ):
            message = f"{self._backlog_bytes} bytes of proposals wait for the disk"
            raise Overloaded(message)
        self._backlog_bytes = backlog_bytes
        self._pending.append((command, done))
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    async def propose(self, command: bytes) -> tuple[int, object]:
        """``submit`` for coroutines; raises ``Stopped`` also when the outcome is unknown."""
        answer: asyncio.Future[tuple[int, object]] = self._loop.create_future()

        def done(index: int, result: object) -> None:
            if not answer.done():  # the proposer may have gone away
                answer.set_result((index, result))

        self.submit(command, done)
        self._proposals.add(answer)
        answer.add_done_callback(self._proposals.discard)
        return await answer

    def append(
        self,
        entries: Sequence[tuple[Kind, bytes]],
        *,
        hard_state: HardState | None = None,
        mark: Mark | None = None,
        release_before: int = 0,
    ) -> None:
        """Write what is not a client's: no-ops, configurations, term and vote, marks."""
        numbered = [
            (Entry(index, self.term, kind, payload), None)
            for index, (kind, payload) in enumerate(entries, self.last_index + 1)
        ]
        self._backlog_bytes += sum(len(payload) for _, payload in entries)
        self._unapplied.extend(numbered)
        self._write([entry for entry, _ in numbered], hard_state, mark, release_before)

    async def applied(self, index: int) -> None:
        """Wait until ``index`` is applied; raises ``Stopped`` when the log fails before."""
        if self.applied_index >= index:
            return
        if self._failure is not None:
            raise Stopped(self._failure)
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((index, waiter))
        await waiter

    async def drained(self) -> int:
        """Wait until everything taken so far is applied; returns the applied index."""
        if self._pending and not self._paused:
            self._flush()
        await self.applied(self.last_index)
        return self.applied_index

    def pause(self) -> None:
        """Take proposals but write none until ``resume``; what is under way goes on."""
        self._paused = True

    def resume(self) -> None:
        """End a pause."""
        self._paused = False
        self._flush_due = bool(self._pending)
        if self._pending:
            self._loop.call_soon(self._flush)

    def restart(self, index: int, term: int) -> None:
        """The state is now that of a snapshot at ``index``, and the log goes on after it."""
        assert not self._unapplied
        self.last_index = self.commit_index = self.applied_index = index
        self.applied_term = term

    def replay(self, entry: Entry) -> None:
        """Apply an entry of the recovered log; it is durable, and the quorum is this server."""
        self._execute(entry)
        self.last_index = self.commit_index = self.applied_index = entry.index
        self.applied_term = entry.term

    def persisted(self, sequence: int) -> None:
        """Everything up to this write is durable here, which for a quorum of one is committed."""
        while self._writes and self._writes[0][0] <= sequence:
            self.commit_index = max(self.commit_index, self._writes.popleft()[1])
        if not self._slice_due:
            self._apply_slice()

    def failed(self, error: BaseException) -> None:
        """Durability is lost: refuse everything and let nobody wait for ever."""
        self._refusal = self._failure = f"the log failed, outcome unknown: {error}"
        waiters, self._waiters = self._waiters, []
        for answer in self._proposals:
            if not answer.done():
                answer.set_exception(Stopped(self._failure))
        for _, waiter in waiters:
            if not waiter.done():
                waiter.set_exception(Stopped(self._failure))

    def _flush(self) -> None:
        if self._paused:
            return  # resume schedules the next one
        self._flush_due = False
        pending, self._pending = self._pending, []
        term, first_index = self.term, self.last_index + 1
        entries = [
            Entry(index, term, Kind.COMMAND, command)
            for index, (command, _) in enumerate(pending, first_index)
        ]
        self._unapplied.extend(
            (entry, done) for entry, (_, done) in zip(entries, pending, strict=True)
        )
        if entries:
            self._write(entries, None, None, 0)
            self._shortage = self._storage.shortage()

    def _check_room(self) -> None:
        """Refuse while the disk is nearly full: what was taken must still fit."""
        self._shortage = self._storage.shortage()
        if self._shortage is not None:
            raise Overloaded(self._shortage)

    def _write(
        self,
        entries: Sequence[Entry],
        hard_state: HardState | None,
        mark: Mark | None,
        release_before: int,
    ) -> None:
        self._sequence += 1
        self.last_index += len(entries)
        self._writes.append((self._sequence, self.last_index))
        self._storage.persist(
            Write(
                sequence=self._sequence,
                entries=entries,
                hard_state=hard_state,
                mark=mark,
                release_before=release_before,
            )
        )

    def _apply_slice(self) -> None:
        self._slice_due = False
        for _ in range(APPLY_SLICE_ENTRIES):
            if self.applied_index >= self.commit_index:
                break
            entry, done = self._unapplied.popleft()
            try:
                result = self._execute(entry)
            except Exception as error:  # noqa: BLE001 - the state is unknown: servers would differ
                _log.exception("applying entry %d failed", entry.index)
                self.failed(error)
                self._on_fatal(error)
                return
            self.applied_index = entry.index
            self.applied_term = entry.term
            self._backlog_bytes -= len(entry.payload)
            if done is not None:
                try:
                    done(entry.index, result)
                except Exception:  # noqa: BLE001 - one proposer's bug must not stop the others
                    _log.exception("the proposer of entry %d failed", entry.index)
        if self.applied_index < self.commit_index:
            self._slice_due = True
            self._loop.call_soon(self._apply_slice)
        if self._waiters:
            self._wake()

    def _execute(self, entry: Entry) -> object:
        if entry.kind is Kind.COMMAND:
            return self._machine.apply(entry.index, entry.payload)
        if entry.kind is Kind.CONFIGURATION:
            self.configuration = decode_configuration(entry.payload)
            self.configuration_index = entry.index
        return None

    def _wake(self) -> None:
        waiting, self._waiters = self._waiters, []
        for index, waiter in waiting:
            if waiter.done():
                continue
            if index <= self.applied_index:
                waiter.set_result(None)
            else:
                self._waiters.append((index, waiter))
