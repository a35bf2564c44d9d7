"""Reads that wait until the own state is new enough: those of one turn of the loop wait together.

So a follower asks the leader once a turn, however many clients read through it.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from raft.errors import RaftError

Ready = Callable[[RaftError | None], None]
"""Called in the turn in which the state may be read; or with the error that prevents it."""


class Consensus(Protocol):
    """What makes sure: raft.driver.Driver."""

    def read(
        self, done: Callable[[int, RaftError | None], None], *, lease_allowed: bool = True
    ) -> None:
        """Tell ``done(index, error)`` once the own state is at least as new as now.

        Raises RaftError.
        """


class ReadGate:
    """Lets reads through in groups; who may not rely on a lease waits apart from who may."""

    def __init__(self, consensus: Consensus) -> None:
        self._consensus = consensus
        self._waiting: dict[bool, list[Ready]] = {True: [], False: []}

    def wait(self, ready: Ready, *, lease_allowed: bool) -> None:
        """Call ``ready`` once, in a later turn."""
        waiting = self._waiting[lease_allowed]
        if not waiting:
            asyncio.get_running_loop().call_soon(self._ask, lease_allowed)
        waiting.append(ready)

    async def passed(self, *, lease_allowed: bool) -> None:
        """``wait`` for coroutines. Raises RaftError."""
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def ready(error: RaftError | None) -> None:
            if passed.done():  # nobody waits any more
                return
            if error is None:
                passed.set_result(None)
            else:
                passed.set_exception(error)

        self.wait(ready, lease_allowed=lease_allowed)
        await passed

    def _ask(self, lease_allowed: bool) -> None:
        group = self._waiting[lease_allowed]
        self._waiting[lease_allowed] = []

        def done(_index: int, error: RaftError | None) -> None:
            for ready in group:
                ready(error)

        try:
            self._consensus.read(done, lease_allowed=lease_allowed)
        except RaftError as error:
            done(0, error)
