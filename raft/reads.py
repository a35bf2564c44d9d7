"""Reads that wait until the own state is new enough; each is told exactly once."""

import asyncio
import logging
from collections.abc import Callable

from raft.core.types import ReadFailed, ReadReady
from raft.errors import RaftError

# (index that had to be applied, None), in the turn in which the state may be read; or (0, error).
ReadDone = Callable[[int, RaftError | None], None]

_log = logging.getLogger("raft")


class Read:
    """One read on its way through the rules, which know it by identity."""

    __slots__ = ("done",)

    def __init__(self, done: ReadDone) -> None:
        self.done = done


class Reads:
    """The reads under way."""

    def __init__(self) -> None:
        self._waiting: set[Read] = set()

    @property
    def are_waiting(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def begin(self, done: ReadDone) -> Read:
        """A new one; give it to the rules."""
        read = Read(done)
        self._waiting.add(read)
        return read

    def ready(self, ready: ReadReady) -> None:
        """The state may be read now."""
        assert isinstance(ready.token, Read)
        self._waiting.discard(ready.token)
        _tell(ready.token, ready.index, None)

    def failed(self, failed: ReadFailed, error: RaftError) -> None:
        """It cannot be served here."""
        assert isinstance(failed.token, Read)
        self._waiting.discard(failed.token)
        _tell(failed.token, 0, error)

    def fail(self, error: RaftError) -> None:
        """None of them will ever be served."""
        waiting, self._waiting = self._waiting, set()
        for read in waiting:
            _tell(read, 0, error)


def _tell(read: Read, index: int, error: RaftError | None) -> None:
    try:
        read.done(index, error)
    except Exception:  # noqa: BLE001 - one reader's bug must not stop the others
        _log.exception("a reader failed")


def into_future(answer: "asyncio.Future[int]") -> ReadDone:
    """A callback that settles a future, whose owner may have gone away."""

    def done(index: int, error: RaftError | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(index)
        else:
            answer.set_exception(error)

    return done
