"""What a server does only while it leads: begun with the leadership, ended with it, in that order.

Leadership may come and go within one turn of the loop; each gain starts everything anew and each
loss ends what the gain before it started, so nothing of an older leadership ever acts in a newer
one. A beginning that fails is tried again for as long as this server leads. Source: Consul, leader
loop; hashicorp/vault#8547 (missed changes of leadership).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Final, Protocol

import structlog

from agent.rpc.pool import StartTask
from catalog.errors import CatalogError
from raft.errors import RaftError

RETRY_S: Final = 1.0  # between two attempts to begin, which need a quorum

Duty = Callable[[], Coroutine[None, None, None]]

_log = structlog.get_logger("agent.server")


class Change(Protocol):
    """A change of leadership: raft.leadership.LeadershipChange."""

    @property
    def is_leader(self) -> bool:
        """Whether this server leads from now on."""

    @property
    def term(self) -> int:
        """The term in which it does, or did."""


class Duties:
    """``begin`` comes first, then all of ``loops`` run; ``end`` comes when the leadership is over.

    ``begin`` may raise RaftError or CatalogError; a loop ends only by being cancelled.
    """

    def __init__(
        self,
        begin: Callable[[], Awaitable[None]],
        loops: Mapping[str, Duty],
        end: Callable[[], None],
        start_task: StartTask,
    ) -> None:
        self._begin = begin
        self._loops = loops
        self._end = end
        self._start_task = start_task
        self._running: list[asyncio.Task[None]] = []
        self._begun = asyncio.Event()

    def leadership_changed(self, change: Change) -> None:
        """Follow the leadership; to be called in order, on the loop."""
        self.stop()
        if change.is_leader:
            self._running.append(self._start_task("lead", self._lead()))

    def stop(self) -> None:
        """End everything; nothing happens where nothing runs."""
        running, self._running = self._running, []
        self._begun.clear()
        for task in running:
            task.cancel()
        if running:
            self._end()

    async def begun(self) -> None:
        """Wait until this server has taken up its duties."""
        await self._begun.wait()

    async def again(self) -> None:
        """Begin anew: the whole state was replaced. Returns when that is done."""
        if self._running:
            self.stop()
            self._running.append(self._start_task("lead", self._lead()))
            await self._begun.wait()

    async def _lead(self) -> None:
        while True:
            try:
                await self._begin()
                break
            except (RaftError, CatalogError) as error:
                _log.warning("not ready to lead yet", error=str(error))
            await asyncio.sleep(RETRY_S)
        for name, loop in self._loops.items():
            self._running.append(self._start_task(name, loop()))
        self._begun.set()
