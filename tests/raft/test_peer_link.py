"""Keeping a connection to one peer: how long to wait, what ends a wait, what ends it all."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from raft import peer_link, wire
from raft.connection import Connection, Owner, Times
from raft.core.types import Message
from raft.peer_link import PeerLink, Surroundings
from raft.wire import Channel, Hello
from tests.raft.servers import hello_of, until

TIMES = Times(connect_s=5.0, hello_s=5.0, backoff_max_s=0.001, stable_s=5.0, unacknowledged_s=5.0)


class Alone(Owner):
    """An owner with one link, whose dials the test answers."""

    def __init__(self, dial: Callable[[Connection], object], times: Times = TIMES) -> None:
        self.times = times
        self.ends: list[str] = []
        self.counts: list[str] = []
        self.dials: list[str] = []
        self.waits = 0
        self._dial = dial
        surroundings = Surroundings(
            dial=self._dialled,
            random=self._random,
            start_task=lambda name, work: asyncio.create_task(work, name=name),
            count=self.counts.append,
        )
        self.link = PeerLink(self, surroundings, "b", Channel.URGENT, "b:8300")

    async def _dialled(self, address: str, factory: Callable[[], Connection]) -> None:
        self.dials.append(address)
        await asyncio.sleep(0)
        self._dial(factory())

    def _random(self) -> float:
        self.waits += 1
        return 0.5

    @override
    def hello(self, peer_id: str, channel: Channel) -> Hello:
        return Hello(wire.PROTOCOL_VERSION, b"", "a", peer_id, 0, channel)

    @override
    def meet(self, connection: Connection, hello: Hello) -> str:
        return ""

    @override
    def greeted(self, connection: Connection) -> None:
        return

    @override
    def received(self, connection: Connection, message: Message) -> None:
        return

    @override
    def ended(self, connection: Connection) -> None:
        self.ends.append(connection.end_reason)

    @override
    def count(self, name: str) -> None:
        self.counts.append(name)

    async def stop(self) -> None:
        self.link.stop("the test is over")
        await self.link.stopped()


class Pipe(asyncio.Transport):
    """A socket that takes everything and says nothing."""

    def __init__(self, protocol: Connection) -> None:
        super().__init__()
        self._protocol = protocol

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    @override
    def write(self, data: Any) -> None:
        return

    @override
    def close(self) -> None:
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close


class Gone(Pipe):
    """A socket that uvloop closes without a word: its dial is given up as it connects."""

    is_closed = False

    @override
    def write(self, data: Any) -> None:
        if self.is_closed:
            raise RuntimeError("the handler is closed")

    @override
    def close(self) -> None:
        """Not said to anybody."""

    abort = close


def connect_too_late(connection: Connection) -> None:
    transport = Gone(connection)
    connection.connection_made(transport)
    transport.is_closed = True
    raise TimeoutError


def refuse(connection: Connection) -> None:
    raise ConnectionRefusedError(111, "nobody is there")


def greet(connection: Connection) -> None:
    connection.connection_made(Pipe(connection))
    connection.data_received(hello_of("b", "a"))


async def test_a_peer_that_is_not_there_is_dialled_again_and_again():
    owner = Alone(refuse)

    await until(lambda: len(owner.dials) >= 5)

    assert {"b:8300"} == set(owner.dials)
    assert owner.ends[0] == "[Errno 111] nobody is there"
    assert owner.counts[0] == "raft.transport.dial_failed"
    await owner.stop()


async def test_waits_double_up_to_the_limit(monkeypatch: pytest.MonkeyPatch):
    """consul#1674: pauses grew so long that a server that came back stood for election."""
    limits: list[float | None] = []
    timeout = asyncio.timeout

    def noted(limit_s: float | None) -> asyncio.Timeout:
        limits.append(limit_s)
        return timeout(0 if limit_s != TIMES.connect_s else limit_s)

    monkeypatch.setattr(peer_link.asyncio, "timeout", noted)
    owner = Alone(refuse, msgspec.structs.replace(TIMES, backoff_max_s=0.1))
    while len(owner.dials) < 6:  # noqa: ASYNC110 - the clock of the link is the test's
        await asyncio.sleep(0)
    await owner.stop()

    waits = [limit_s for limit_s in limits if limit_s != TIMES.connect_s]
    assert [0.015, 0.03, 0.06, 0.075, 0.075] == pytest.approx(waits[:5])


async def test_a_dial_that_never_ends_is_given_up():
    owner = Alone(lambda _connection: None, msgspec.structs.replace(TIMES, connect_s=0.005))

    await until(lambda: len(owner.dials) >= 2)

    assert "no connection in 0.005 s" == owner.ends[0]
    await owner.stop()


async def test_a_dial_given_up_as_it_connected_does_not_end_the_link():
    owner = Alone(connect_too_late, msgspec.structs.replace(TIMES, hello_s=0.005))

    await until(lambda: len(owner.dials) >= 3)

    assert "no connection in 5 s" == owner.ends[0]
    await owner.stop()


async def test_what_is_no_address_does_not_end_the_link():
    def no_address(connection: Connection) -> None:
        raise ValueError("no port")

    owner = Alone(no_address)

    await until(lambda: len(owner.dials) >= 2)

    assert "no port" == owner.ends[0]
    await owner.stop()


async def test_being_woken_ends_the_wait(monkeypatch: pytest.MonkeyPatch):
    """consul#1674: whoever is heard again is not waited for."""
    monkeypatch.setattr(peer_link, "BACKOFF_MIN_S", 3600.0)
    owner = Alone(refuse, msgspec.structs.replace(TIMES, backoff_max_s=3600.0))
    await until(lambda: owner.waits == 1)

    owner.link.wake()

    await until(lambda: owner.waits == 2)
    assert 2 == len(owner.dials)
    await owner.stop()


async def test_a_connection_that_held_makes_the_next_wait_short_again():
    owner = Alone(greet, msgspec.structs.replace(TIMES, stable_s=0.002))
    await until(lambda: owner.link.connection.usable)
    owner.link._failures = 9

    await until(lambda: owner.link._failures == 0)

    assert 1 == len(owner.dials)
    await owner.stop()


async def test_a_connection_that_ends_is_made_again():
    owner = Alone(greet)
    await until(lambda: owner.link.connection.usable)
    first = owner.link.connection

    first.connection_lost(ConnectionResetError("reset"))

    await until(lambda: owner.link.connection is not first and owner.link.connection.usable)
    assert ["reset"] == owner.ends
    await owner.stop()


async def test_a_link_that_is_stopped_ends_its_connection_and_dials_no_more():
    owner = Alone(greet)
    await until(lambda: owner.link.connection.usable)

    await owner.stop()

    assert ["the test is over"] == owner.ends
    assert not owner.link.connection.usable
    assert 1 == len(owner.dials)
