"""The worker's end of a feed, for tests of the agent's end."""

import asyncio
import contextlib
from pathlib import Path

from proxy.frames import frame, reader_of_agent
from proxy.messages import Applied, Configure, Hello, ToAgent, ToWorker
from proxy.unix_socket import connect_unix

HEAR_WAIT_S = 10.0  # far beyond what two busy cores need


class FakeWorker:
    """Says what a test makes it say, and keeps what it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = reader_of_agent()
        self._heard: list[ToWorker] = []

    @classmethod
    async def connect(cls, path: Path, hello: Hello | None = None) -> "FakeWorker":
        """Come and say hello."""
        worker = cls(*await asyncio.open_unix_connection(sock=connect_unix(path)))
        worker.say(hello or Hello(version="1", pid=1))
        return worker

    def say(self, message: ToAgent) -> None:
        """Tell the agent."""
        self._writer.write(frame(message))

    def noise(self, chunk: bytes) -> None:
        """Say what is no message."""
        self._writer.write(chunk)

    async def hear(self) -> ToWorker | None:
        """What it is told next; None when the agent hung up."""
        async with asyncio.timeout(HEAR_WAIT_S):
            while not self._heard:
                chunk = await self._reader.read(65536)
                if not chunk:
                    return None
                self._heard += self._frames.feed(chunk)
        return self._heard.pop(0)

    async def configured(self) -> tuple[str, int]:
        """The proxy that it is told next, and the version; says that it has applied it."""
        message = await self.hear()
        assert isinstance(message, Configure)
        self.say(Applied(id=message.config.id, version=message.version))
        return message.config.id, message.config.index

    async def close(self) -> None:
        """Go away."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
