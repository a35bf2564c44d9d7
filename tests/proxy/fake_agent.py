"""The agent's end of a feed, for tests of workers."""

import asyncio
import contextlib
from pathlib import Path

from proxy.frames import frame, reader_of_worker
from proxy.messages import ToAgent, ToWorker
from proxy.unix_socket import listen_unix
from tests.proxy.fakes import until

HEAR_WAIT_S = 10.0  # a process that starts on two busy cores


class FakeAgent:
    """The other end: hears what workers say."""

    def __init__(self, path: Path) -> None:
        self.heard: asyncio.Queue[ToAgent] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []
        self._path = path
        self._open = 0

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, sock=listen_unix(self._path))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self._open += 1
        frames = reader_of_worker()
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                for message in frames.feed(chunk):
                    self.heard.put_nowait(message)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self._open -= 1

    async def hear(self) -> ToAgent:
        """What was said next."""
        async with asyncio.timeout(HEAR_WAIT_S):
            return await self.heard.get()

    def tell(self, message: ToWorker) -> None:
        """Say something to the worker that came last."""
        self.writers[-1].write(frame(message))

    def stop(self) -> None:
        """Go away, as one that is restarted."""
        self._server.close()
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    async def close(self) -> None:
        """Go away for good, and leave nothing behind."""
        self.stop()
        await until(lambda: not self._open)
