"""Who leads, told in order to everybody who acts on it."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from raft.core.types import Role, RoleChange, TransferEnded
from raft.errors import RaftError, TransferFailed

_log = logging.getLogger("raft")


class LeadershipChange(msgspec.Struct, frozen=True):
    """This server began or ended to lead.

    ``epoch`` grows with each of them: what began under another epoch than the present one is late.
    """

    is_leader: bool
    epoch: int
    term: int


class Leadership:
    """What this server knows of the leadership; ``epoch`` 0: it never led."""

    def __init__(self) -> None:
        self.is_leader = False
        self.epoch = 0
        self._listeners: list[Callable[[LeadershipChange], None]] = []
        self._awaiting: list[asyncio.Future[None]] = []
        self._transfers: list[tuple[str, asyncio.Future[None]]] = []

    def subscribe(self, listener: Callable[[LeadershipChange], None]) -> None:
        """Call ``listener`` at each change, in order, on the loop; it must not raise."""
        self._listeners.append(listener)

    def note(self, change: RoleChange) -> None:
        """Take a change of role into account, and tell it when it is one of leadership."""
        is_leader = change.role is Role.LEADER
        if is_leader == self.is_leader and change.epoch == self.epoch:
            return
        self.is_leader, self.epoch = is_leader, change.epoch
        told = LeadershipChange(is_leader, change.epoch, change.term)
        _log.info("%s in term %d", "leading" if is_leader else "no longer leading", change.term)
        for listener in self._listeners:
            try:
                listener(told)
            except Exception:  # noqa: BLE001 - one listener's bug must not stop consensus
                _log.exception("a listener to leadership failed")
        if is_leader:
            self._settle_awaiting(None)

    async def begun(self) -> None:
        """Wait until this server leads; raises what ``fail`` was given."""
        if not self.is_leader:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._awaiting.append(waiter)
            await waiter

    async def transferred(self, target_id: str) -> None:
        """Wait for the end of a transfer that was begun; raises ``TransferFailed``."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transfers.append((target_id, ended))
        await ended

    def transfer_ended(self, ended: TransferEnded) -> None:
        """A transfer is over."""
        error = None if ended.succeeded else TransferFailed(f"{ended.target_id} did not take over")
        self._end_transfers(ended.target_id, error)

    def fail(self, error: RaftError) -> None:
        """This server will never lead again, and no transfer will ever end."""
        self._settle_awaiting(error)
        for target_id in {target_id for target_id, _ in self._transfers}:
            self._end_transfers(target_id, error)

    def _end_transfers(self, target_id: str, error: RaftError | None) -> None:
        waiting, self._transfers = self._transfers, []
        for target, ended in waiting:
            if target == target_id:
                _settle(ended, error)
            else:
                self._transfers.append((target, ended))

    def _settle_awaiting(self, error: RaftError | None) -> None:
        awaiting, self._awaiting = self._awaiting, []
        for waiter in awaiting:
            _settle(waiter, error)


def _settle(waiter: asyncio.Future[None], error: RaftError | None) -> None:
    if waiter.done():
        return  # who waited has gone away
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
