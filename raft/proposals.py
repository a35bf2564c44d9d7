"""Proposals between their proposer and the log: taken, numbered, answered; or refused at once.

Everything submitted in one turn of the loop becomes one batch. A proposer hears exactly once:
``submit`` raises (nothing was taken), or ``done`` is called. When the leadership ends, what is not
known to be committed is answered with ``OutcomeUnknown``: it may still be applied.
"""

import logging
import math
from collections.abc import Callable
from typing import Final

from raft.entries import COMMAND_BYTES_MAX
from raft.errors import Overloaded, RaftError, StaleTerm, Stopped, TooLarge
from raft.machine import Done

BACKLOG_BYTES_MAX: Final = 64 * 1024 * 1024  # submitted, not yet applied: refuse before memory does
BACKLOG_COUNT_MAX: Final = 65_536  # tiny commands cost more as objects than as bytes
LOOK_INTERVAL_S: Final = 0.1  # a look at the disk costs more than taking a small batch
LOOK_BYTES: Final = 1024 * 1024  # taken since the last look: little beside what is kept free

_log = logging.getLogger("raft")


def _not_started() -> RaftError:
    return Stopped("the log has not started")


class Proposals:
    """``wake`` is called when a batch waits; ``shortage`` says why the disk takes no more.

    ``refusal`` makes the error for whoever submits now; None while this server leads ``term``.
    """

    def __init__(self, wake: Callable[[], None], shortage: Callable[[], str | None]) -> None:
        self.refusal: Callable[[], RaftError] | None = _not_started
        self.term = 0
        self._wake = wake
        self._shortage = shortage
        self._present_shortage: str | None = None
        self._looked_at_s = -math.inf
        self._unseen_bytes = 0  # taken since the last look at the disk
        self._commands: list[bytes] = []
        self._dones: list[Done] = []
        self.waiting: dict[int, Done] = {}  # by index: whom to tell once it is applied
        self._backlog_bytes = 0

    def submit(self, command: bytes, done: Done, term: int = 0) -> None:
        """Take a command; ``done(index, result)`` follows once it is applied.

        Or ``done(0, error)`` with a ``RaftError`` when it is refused or may be lost after all.
        ``term`` (0: any) is the one that the proposer knew the leader in. Raises ``Refused`` at
        once: ``TooLarge``, ``NotLeader``, ``NoLeader``, ``Overloaded``, ...
        """
        command_bytes = len(command)
        if command_bytes > COMMAND_BYTES_MAX:
            raise TooLarge(command_bytes, COMMAND_BYTES_MAX)
        if self.refusal is not None:
            raise self.refusal()
        if term and term != self.term:
            raise StaleTerm
        if self._present_shortage is not None:
            self._check_room()
        backlog_bytes = self._backlog_bytes + command_bytes
        if (
            backlog_bytes > BACKLOG_BYTES_MAX
            or len(self._commands) + len(self.waiting) >= BACKLOG_COUNT_MAX
        ):
            message = f"{self._backlog_bytes} bytes of proposals wait for the disk"
            raise Overloaded(message)
        self._backlog_bytes = backlog_bytes
        if not self._commands:
            self._wake()
        self._commands.append(command)
        self._dones.append(done)

    def _check_room(self) -> None:
        """Refuse while the disk is nearly full: what was taken must still fit."""
        self._present_shortage = self._shortage()
        if self._present_shortage is not None:
            raise Overloaded(self._present_shortage)

    @property
    def has_batch(self) -> bool:
        """Whether something waits to be proposed."""
        return bool(self._commands)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._commands and not self.waiting

    def take_batch(self) -> tuple[list[bytes], list[Done]]:
        """Everything submitted since the last time; answer with ``accepted`` or ``refuse``."""
        batch = self._commands, self._dones
        self._commands, self._dones = [], []
        return batch

    def accepted(
        self, first_index: int, commands: list[bytes], dones: list[Done], now_s: float
    ) -> None:
        """The batch is in the log from ``first_index`` on."""
        batch_bytes = sum(map(len, commands))
        if not self.waiting:
            # Nothing else is charged; what was charged for lost proposals ends here.
            self._backlog_bytes = batch_bytes
        self.waiting.update(zip(range(first_index, first_index + len(dones)), dones, strict=True))
        self._unseen_bytes += batch_bytes
        if now_s >= self._looked_at_s + LOOK_INTERVAL_S or self._unseen_bytes >= LOOK_BYTES:
            self._present_shortage = self._shortage()
            self._looked_at_s, self._unseen_bytes = now_s, 0

    def refuse(self, commands: list[bytes], dones: list[Done], error: RaftError) -> None:
        """The batch was not taken, and never will be."""
        self._backlog_bytes -= sum(map(len, commands))
        for done in dones:
            _tell(done, error)

    def expect(self, index: int, done: Done) -> None:
        """Tell ``done`` of an entry that is no command."""
        self.waiting[index] = done

    def release(self, freed_bytes: int) -> None:
        """Proposals of this size are applied and answered."""
        self._backlog_bytes -= freed_bytes

    def lose(self, committed_index: int, error: RaftError) -> None:
        """The leadership is over: only what is committed up to here will be answered properly."""
        commands, dones = self.take_batch()
        lost = [(index, done) for index, done in self.waiting.items() if index > committed_index]
        for index, _ in lost:
            del self.waiting[index]
        for _, done in lost:
            _tell(done, error)
        if self.refusal is not None:
            error = self.refusal()
        self.refuse(commands, dones, error)


def _tell(done: Done, error: RaftError) -> None:
    try:
        done(0, error)
    except Exception:  # noqa: BLE001 - one proposer's bug must not stop the others
        _log.exception("a proposer failed")
