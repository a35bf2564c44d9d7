"""Group commit: one thread that makes everything queued durable, round after round.

While one sync runs, more is queued; the next round takes it all. No timer delays anything. The
first error ends the process: after a failed write or sync nobody can know what is on disk, and a
second sync may report success for lost pages.

The queue wakes the thread by one semaphore, where a condition takes several calls of the kernel.
Loop and thread count what they put and took each for itself, so that no number needs a lock.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Final, NamedTuple, Protocol

from raft.errors import Overloaded

ROUND_BYTES_MAX: Final = 4 * 1024 * 1024  # one sync's worth; more only delays the first in line
QUEUE_BYTES_MAX: Final = 96 * 1024 * 1024  # above what the driver lets wait, so it refuses first
QUEUE_WRITES_MAX: Final = 65_536  # a write is at least one loop turn: far above any healthy queue
EXIT_STORAGE_FAILED: Final = 74  # EX_IOERR of sysexits: supervisors can tell it from a crash

_log = logging.getLogger("raft")


class Sink(Protocol):
    """What the thread writes to; it alone calls these after ``start``."""

    def write(self, bodies: Sequence[bytes], /) -> None:
        """Make one round durable, or raise."""

    def release(self, first_index: int, /) -> None:
        """Forget entries below ``first_index``."""


class Queued(NamedTuple):
    """One write, encoded. ``release_before`` is 0 when nothing may be forgotten."""

    sequence: int
    bodies: Sequence[bytes]
    size_bytes: int
    release_before: int


def exit_process(error: BaseException) -> None:
    """End the process at once, without cleanup that could write: exit code 74."""
    _log.critical("the log can no longer be trusted, ending the process: %s", error)
    logging.shutdown()
    os._exit(EXIT_STORAGE_FAILED)


class Writer:
    """Runs ``sink`` in a thread; ``persisted(sequence)`` is called on the loop after each round.

    ``on_fatal`` is called in the thread with the first error and normally does not return; if it
    does, nothing is written any more and ``failed`` is called on the loop.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        persisted: Callable[[int], None],
        failed: Callable[[BaseException], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._sink = sink
        self._persisted = persisted
        self._failed = failed
        self._on_fatal = on_fatal
        self._loop = asyncio.get_running_loop()
        self._queue = SimpleQueue[Queued | None]()  # None: no more will come
        self._put_bytes = 0  # ever; changed by the loop only
        self._taken_bytes = 0  # ever; changed by the thread only
        self._poisoned = False
        self._thread = threading.Thread(target=self._run, name="raft-writer", daemon=True)
        self._thread.start()

    def put(self, write: Queued) -> None:
        """Queue a write, in order of sequence; raises ``Overloaded`` at the limits."""
        if self._poisoned:
            return  # never acknowledged; the process is ending
        queued_bytes = self._put_bytes - self._taken_bytes
        if (
            self._queue.qsize() >= QUEUE_WRITES_MAX
            or queued_bytes + write.size_bytes > QUEUE_BYTES_MAX
        ):
            message = f"{queued_bytes} bytes wait for the disk"
            raise Overloaded(message)
        self._put_bytes += write.size_bytes
        self._queue.put(write)

    def close(self) -> None:
        """Write what is queued, then end the thread; blocks until then."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while taken := self._take():
            try:
                self._sink.write([body for write in taken for body in write.bodies])
                if release_before := max(write.release_before for write in taken):
                    self._sink.release(release_before)
            except Exception as error:  # noqa: BLE001 - whatever it is, the disk is now unknown
                self._end(error)
                return
            self._loop.call_soon_threadsafe(self._persisted, taken[-1].sequence)

    def _take(self) -> list[Queued]:
        """Wait for work and take one round of it; empty when closed and drained."""
        taken: list[Queued] = []
        round_bytes = 0
        while not taken or (round_bytes < ROUND_BYTES_MAX and not self._queue.empty()):
            write = self._queue.get()
            if write is None:
                self._queue.put(None)  # for the next time
                break
            round_bytes += write.size_bytes
            taken.append(write)
        self._taken_bytes += round_bytes
        return taken

    def _end(self, error: BaseException) -> None:
        self._poisoned = True
        self._on_fatal(error)
        self._loop.call_soon_threadsafe(self._failed, error)
