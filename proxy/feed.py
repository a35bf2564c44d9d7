"""The worker's end of the feed: connects to the agent, is told, answers, and connects again.

Messages are obeyed one after the other, so one that takes its time (Adopt) holds back those behind
it, in the socket. While the agent is away nothing is sent; what it then lacks, it learns from the
next Hello and the next reports.
Limits: below, each by name.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from proxy.frames import FrameError, frame, reader_of_agent
from proxy.messages import Hello, Report, Tapped, ToAgent, ToWorker
from proxy.unix_socket import connect_unix

RETRY_FIRST_S: Final = 0.05  # an agent that is restarted is back within a second
RETRY_MAX_S: Final = 1.0  # it waits for its workers longer than this before it starts others
READ_BYTES_MAX: Final = 256 * 1024  # a piece of a large configuration, copied at once
SEND_BYTES_MAX: Final = 4 * 1024 * 1024
"""What an agent that reads too slowly may leave unread of reports and tapped requests."""

_log = logging.getLogger("proxy.feed")


class Feed:
    """A conversation with the agent at ``path`` that begins again whenever it ends."""

    def __init__(
        self,
        path: Path,
        *,
        hello: Callable[[], Hello],
        obey: Callable[[ToWorker], Awaitable[None]],
        now_s: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._path = path
        self._hello = hello
        self._obey = obey
        self._now_s = now_s
        self._random = random
        self._writer: asyncio.StreamWriter | None = None
        self._lost_at_s = now_s()
        self.was_connected = False

    @property
    def is_connected(self) -> bool:
        """Whether somebody listens."""
        return self._writer is not None

    @property
    def lost_for_s(self) -> float:
        """For how long there was no agent; 0 while there is one."""
        return 0.0 if self.is_connected else self._now_s() - self._lost_at_s

    async def run(self) -> None:
        """Converse for ever."""
        failures = 0
        while True:
            try:
                await self._converse()
                failures = 0
            except (OSError, FrameError) as error:
                if self._writer is not None or not failures:
                    _log.warning("no agent at %s: %s", self._path, error)
                failures = failures + 1 if self._writer is None else 0
            except Exception:  # noqa: BLE001 - a worker without a feed would never be told of a denial
                _log.exception("feed failed")
            finally:
                self._lose()
            longest_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0**failures)
            await asyncio.sleep(longest_s * (0.5 + self._random() / 2))

    def send(self, message: ToAgent) -> bool:
        """Tell the agent; false if it was not told: it is away, or reads too slowly."""
        writer = self._writer
        if writer is None:
            return False
        unread_bytes = writer.transport.get_write_buffer_size()
        if isinstance(message, Report | Tapped) and unread_bytes > SEND_BYTES_MAX:
            return False
        writer.write(frame(message))
        return True

    async def sent(self) -> None:
        """Wait until the agent has taken what it was told."""
        if self._writer is not None:
            self._writer.write_eof()
            await self._writer.drain()

    async def _converse(self) -> None:
        """One connection, from its Hello to its end."""
        reader, writer = await asyncio.open_unix_connection(sock=connect_unix(self._path))
        self._writer = writer
        self.was_connected = True
        self.send(self._hello())
        frames = reader_of_agent()
        while chunk := await reader.read(READ_BYTES_MAX):
            for message in frames.feed(chunk):
                await self._obey(message)

    def _lose(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._lost_at_s = self._now_s()
