"""Servers with drivers, transports over loopback and short timers, in one loop."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from raft.connection import Connection
from raft.core.types import Outgoing
from raft.driver import Driver
from raft.durable import DurableStorage
from raft.entries import NON_VOTER, VOTER, Configuration, Server
from raft.leadership import LeadershipChange
from raft.machine import Settings, Surroundings
from raft.peer_link import Surroundings as LinkSurroundings
from raft.storage import MemoryStorage, Storage
from raft.transport import Identity, Reports, Transport
from tests.raft.machines import SMALL_SEGMENT_BYTES, CountingFiles, Journal

LOOPBACK = "127.0.0.1"
ELECTION_TIMEOUT_S = 0.2  # a busy machine must still answer within half of it
WAIT_S = 15.0  # far longer than anything here takes; a hang ends as a failure
SETTINGS = Settings(election_timeout_s=ELECTION_TIMEOUT_S)
# All servers of a test stop together when the machine is busy, and nobody answers meanwhile; where
# nothing is done again after a lost leadership, it must survive that.
CALM = Settings(election_timeout_s=1.0)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.002)


def server_id(number: int) -> str:
    return f"3f2b7c1e-0000-4000-8000-{number:012d}"


class Member:
    """One server; ``restart`` begins a new life on what the last one left on disk."""

    def __init__(
        self, number: int, directory: Path | None = None, settings: Settings = SETTINGS
    ) -> None:
        self.id = server_id(number)
        self.port = 0
        self.settings = settings
        self.is_cut_off = False
        self.files = CountingFiles()
        self.fatal: list[BaseException] = []
        self.troubles: list[tuple[str, str]] = []
        self.changes: list[LeadershipChange] = []
        self._directory = directory
        self._tasks: set[asyncio.Task[object]] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def named(self, suffrage: int = VOTER) -> Server:
        return Server(suffrage, self.id, self.address)

    async def listen(self) -> None:
        """A new life up to the point where others can connect."""
        self.machine = Journal()
        self.storage = self._storage()
        self.driver = Driver(
            self.machine,
            self.storage,
            Server(VOTER, self.id, self.address),
            self.settings,
            Surroundings(
                wall_s=time.time,
                monotonic_s=time.monotonic,
                random=random.random,
                start_task=self._start_task,
                on_fatal=self.fatal.append,
            ),
        )
        self.driver.on_leadership(self.changes.append)
        self.transport = Transport(
            Identity(self.id),
            LinkSurroundings(dial=_dial, random=random.random, start_task=self._start_task),
            Reports(
                message=self._receive,
                unreachable=self.driver.peer_unreachable,
                cluster_met=self.driver.cluster_met,
                trouble=lambda peer_id, reason: self.troubles.append((peer_id, reason)),
            ),
            election_timeout_s=ELECTION_TIMEOUT_S,
        )
        self.driver.connect(_Switch(self))
        self._server = await asyncio.get_running_loop().create_server(
            self.transport.inbound, LOOPBACK, self.port, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self.transport.close()
            await self.driver.stop()
            self._server = None

    async def restart(self) -> None:
        await self.stop()
        await self.listen()
        await self.driver.start()

    def _storage(self) -> Storage:
        if self._directory is None:
            return MemoryStorage()
        path, size_bytes = self._directory / self.id, SMALL_SEGMENT_BYTES
        return DurableStorage(path, self.id, files=self.files, segment_bytes=size_bytes)

    def _receive(self, sender_id: str, message: object) -> None:
        if not self.is_cut_off:
            self.driver.receive(sender_id, message)

    def _start_task(self, name: str, work) -> asyncio.Task[object]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def commands(self) -> list[bytes]:
        return [command for _, command in self.machine.commands]


class _Switch:
    """The transport of a member, silent while the member is cut off."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def set_peers(self, addresses) -> None:
        self._member.transport.set_peers(addresses)

    def send(self, messages: list[Outgoing]) -> None:
        if not self._member.is_cut_off:
            self._member.transport.send(messages)

    def adopt(self, cluster_id: bytes) -> None:
        self._member.transport.adopt(cluster_id)


async def _dial(address: str, factory: Callable[[], Connection]) -> object:
    host, _, port = address.rpartition(":")
    return await asyncio.get_running_loop().create_connection(factory, host, int(port))


class Cluster:
    """All members, whether they take part yet or not."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    def running(self) -> list[Member]:
        return [m for m in self.members if m._server is not None and not m.is_cut_off]

    async def leader(self, *, other_than: Member | None = None) -> Member:
        """Wait until one of those that run leads and has committed in its term."""

        def leading() -> list[Member]:
            return [
                m
                for m in self.running()
                if m is not other_than and m.driver.is_leader and m.driver.can_read_now()
            ]

        await until(lambda: bool(leading()))
        return max(leading(), key=lambda m: m.driver.term)

    async def followers(self) -> list[Member]:
        leader = await self.leader()
        return [m for m in self.running() if m is not leader]

    async def agreed(self, *members: Member) -> list[bytes]:
        """Wait until members (default: all that run) hold the same; returns it."""
        looked_at = members or tuple(self.running())
        await until(
            lambda: (
                len({m.driver.applied_index for m in looked_at}) == 1
                and all(m.driver.applied_index == m.driver.last_index for m in looked_at)
            )
        )
        (first, *others) = looked_at
        for other in others:
            assert first.machine.commands == other.machine.commands
        return first.commands


@asynccontextmanager
async def cluster_of(
    voters: int,
    directory: Path | None = None,
    *,
    spare: int = 0,
    settings: Settings = SETTINGS,
) -> AsyncIterator[Cluster]:
    """``voters`` begin a cluster; ``spare`` servers wait to be added."""
    members = [Member(number, directory, settings) for number in range(1, voters + spare + 1)]
    try:
        for member in members:
            await member.listen()
        configuration = Configuration(tuple(m.named() for m in members[:voters]))
        for member in members[:voters]:
            await asyncio.wait_for(member.driver.start(configuration), WAIT_S)
        for member in members[voters:]:
            await member.driver.start()
        yield Cluster(members)
    finally:
        for member in members:
            await member.stop()
    assert all(not member.fatal for member in members), [m.fatal for m in members]


__all__ = ["NON_VOTER", "VOTER", "Cluster", "Member", "cluster_of", "server_id", "until"]
