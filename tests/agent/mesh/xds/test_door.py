import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from agent.mesh.xds.door import EARLY_BYTES_MAX, Door
from proxy.connection import Carrier, Handler


class Place(msgspec.Struct, frozen=True):
    network: str
    host: str
    port: int = 0


class Echo:
    """Says what it hears."""

    def connection_made(self, carrier: Carrier) -> None:
        self.carrier = carrier

    def data_received(self, chunk: bytes) -> None:
        self.carrier.write(chunk)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        pass

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass


@asynccontextmanager
async def listening(path: Path, ready: asyncio.Event) -> AsyncIterator[Door]:
    tasks: set[asyncio.Task[None]] = set()

    def start(name: str, work: Coroutine[Any, Any, None]) -> None:
        tasks.add(asyncio.get_running_loop().create_task(work, name=name))

    async def load() -> Callable[[], Handler]:
        await ready.wait()
        return Echo

    door = Door(load, start)
    await door.listen([Place("unix", str(path))])
    try:
        yield door
    finally:
        ready.set()
        await door.close()
        await asyncio.gather(*tasks)


async def test_what_is_said_while_the_speaker_loads_is_heard(tmp_path: Path) -> None:
    ready = asyncio.Event()
    async with listening(tmp_path / "door", ready):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "door")
        writer.write(b"early")
        await writer.drain()
        ready.set()
        assert b"early" == await reader.readexactly(5)

        writer.write(b"later")

        assert b"later" == await reader.readexactly(5)
        writer.close()


async def test_who_says_too_much_too_early_is_sent_away(tmp_path: Path) -> None:
    async with listening(tmp_path / "door", asyncio.Event()):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "door")
        writer.write(bytes(4 * EARLY_BYTES_MAX))

        with suppress(ConnectionError):
            assert b"" == await reader.read()
        writer.close()


async def test_closing_ends_what_is_open(tmp_path: Path) -> None:
    ready = asyncio.Event()
    async with listening(tmp_path / "door", ready) as door:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "door")
        ready.set()
        writer.write(b"x")
        await reader.readexactly(1)

        await door.close()

        assert b"" == await reader.read()
        assert not (tmp_path / "door").exists()
        writer.close()
