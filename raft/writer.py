"""Group commit: one thread that makes everything queued durable, round after round.

While one sync runs, more is queued; the next round takes it all. No timer delays anything. The
first error ends the process: after a failed write or sync nobody can know what is on disk, and a
second sync may report success for lost pages.
"""

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
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
        self._changed = threading.Condition()
        self._queue: deque[Queued] = deque()
        self._queued_bytes = 0
        self._closing = False
        self._poisoned = False
        self._thread = threading.Thread(target=self._run, name="raft-writer", daemon=True)
        self._thread.start()

    def put(self, write: Queued) -> None:
        """Queue a write, in order of sequence; raises ``Overloaded`` at the limits."""
        with self._changed:
            if (
                len(self._queue) >= QUEUE_WRITES_MAX
                or self._queued_bytes + write.size_bytes > QUEUE_BYTES_MAX
            ):
                message = f"{self._queued_bytes} bytes wait for the disk"
                raise Overloaded(message)
            if self._poisoned:
                return  # never acknowledged; the process is ending
            self._queue.append(write)
            self._queued_bytes += write.size_bytes
            self._changed.notify()

    def close(self) -> None:
        """Write what is queued, then end the thread; blocks until then."""
        with self._changed:
            self._closing = True
            self._changed.notify()
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
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            taken: list[Queued] = []
            room_bytes = ROUND_BYTES_MAX
            while self._queue and room_bytes > 0:
                write = self._queue.popleft()
                room_bytes -= write.size_bytes
                taken.append(write)
            self._queued_bytes -= ROUND_BYTES_MAX - room_bytes
            return taken

    def _end(self, error: BaseException) -> None:
        with self._changed:
            self._poisoned = True
            self._queue.clear()
            self._queued_bytes = 0
        self._on_fatal(error)
        self._loop.call_soon_threadsafe(self._failed, error)
