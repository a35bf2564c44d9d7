"""One bare server of a log: driver, transport and durable storage around a machine of nothing.

It takes one command a line on standard input and answers each with one line of JSON:
``load IN_FLIGHT SECONDS`` proposes 64-byte commands, always so many at once; ``costs`` says what
this process has used. It ends with its standard input.

    python -m tests.bench.raft_node OWN_NUMBER DIRECTORY PORT PORT PORT
"""

import asyncio
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import SystemRandom

import msgspec
import uvloop
from typing_extensions import override

from agent.clock import monotonic_s, wall_s
from agent.tasks import Tasks
from raft.connection import Connection
from raft.driver import Driver
from raft.durable import DurableStorage
from raft.entries import VOTER, Configuration, Server
from raft.files import Files
from raft.machine import Settings, Surroundings
from raft.peer_link import Surroundings as LinkSurroundings
from raft.transport import Identity, Reports, Transport
from tests.bench.raft_load import VALUE_BYTES, WARM_UP_S, Load, percentile
from tests.system.agent_process import LOOPBACK

LEADER_LOOK_S = 0.02


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What a server has used since it began, and how far it is."""

    leads: bool
    applied_index: int
    sync_count: int
    cpu_s: float


class NullMachine:
    """Takes every command and keeps nothing."""

    def apply(self, _index: int, _command: bytes, /) -> object:
        """Do nothing."""
        return None

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        """The state: none."""
        return lambda: iter([b""])

    def restore(self, chunks: Iterator[bytes], /) -> None:
        """Read and forget."""
        for _ in chunks:
            pass


class CountedFiles(Files):
    """Counts the syncs of the log."""

    def __init__(self) -> None:
        self.sync_count = 0

    @override
    def sync_content(self, descriptor: int) -> None:
        self.sync_count += 1
        super().sync_content(descriptor)


class Proposer:
    """Proposes without pause: whenever one is answered the next one is submitted."""

    def __init__(self, driver: Driver, seconds: float) -> None:
        self._driver = driver
        began = time.perf_counter()
        self._from_s, self._until_s = began + WARM_UP_S, began + WARM_UP_S + seconds
        self._in_flight = 0
        self._command = bytes(VALUE_BYTES)
        self.latencies_ms: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def propose(self) -> None:
        """One more in flight."""
        began_s = time.perf_counter()
        self._in_flight += 1

        def done(_index: int, result: object) -> None:
            self._in_flight -= 1
            if isinstance(result, Exception):
                self._end(result)
                return
            now_s = time.perf_counter()
            if self._from_s <= now_s < self._until_s:
                self.latencies_ms.append((now_s - began_s) * 1000)
            if now_s < self._until_s:
                self.propose()
            elif not self._in_flight:
                self._end(None)

        self._driver.submit(self._command, done)

    def _end(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error is not None:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(None)


class Node:
    """A server among ``ports``, the one at ``number``."""

    def __init__(self, number: int, directory: Path, ports: list[int]) -> None:
        self._tasks = Tasks()
        self._files = CountedFiles()
        self._port = ports[number]
        servers = [Server(VOTER, server_id(n), f"{LOOPBACK}:{p}") for n, p in enumerate(ports)]
        self._members = Configuration(tuple(servers))
        own, random = servers[number], SystemRandom().random
        storage = DurableStorage(directory, own.id, files=self._files)
        surroundings = Surroundings(
            wall_s=wall_s, monotonic_s=monotonic_s, random=random, start_task=self._tasks.start
        )
        settings = Settings()
        self.driver = Driver(NullMachine(), storage, own, settings, surroundings)
        self._transport = Transport(
            Identity(own.id),
            LinkSurroundings(dial=dial, random=random, start_task=self._tasks.start),
            Reports(
                message=self.driver.receive,
                unreachable=self.driver.peer_unreachable,
                cluster_met=self.driver.cluster_met,
                trouble=lambda _peer_id, _reason: None,
            ),
            election_timeout_s=settings.election_timeout_s,
        )

    async def start(self) -> None:
        """Take part; returns once a leader is known."""
        self.driver.connect(self._transport)
        loop = asyncio.get_running_loop()
        await loop.create_server(self._transport.inbound, LOOPBACK, self._port)
        await self.driver.start(self._members)
        while not self.driver.leader_id:  # noqa: ASYNC110 - there is no event of a follower
            await asyncio.sleep(LEADER_LOOK_S)

    async def load(self, in_flight: int, seconds: float) -> Load:
        """Propose for so long, always ``in_flight`` at once."""
        proposer = Proposer(self.driver, seconds)
        for _ in range(in_flight):
            proposer.propose()
        await proposer.ended
        ordered = sorted(proposer.latencies_ms)
        return Load(
            rate=len(ordered) / seconds,
            p50_ms=percentile(ordered, 0.5),
            p99_ms=percentile(ordered, 0.99),
        )

    def costs(self) -> Costs:
        """What this process has used, and how far it is."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Costs(
            leads=self.driver.is_leader,
            applied_index=self.driver.applied_index,
            sync_count=self._files.sync_count,
            cpu_s=used.ru_utime + used.ru_stime,
        )


def server_id(number: int) -> str:
    """A UUID, as storage wants it."""
    return f"00000000-0000-4000-8000-{number:012d}"


async def dial(address: str, factory: Callable[[], Connection]) -> object:
    """Connect without TLS."""
    host, _, port = address.rpartition(":")
    return await asyncio.get_running_loop().create_connection(factory, host, int(port))


async def run(number: str, directory: str, *ports: str) -> None:
    """Be a server until standard input ends."""
    node = Node(int(number), Path(directory), [int(port) for port in ports])
    await node.start()
    say("ready")
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async for line in commands:
        match line.decode().split():
            case ["load", in_flight, seconds]:
                say_json(await node.load(int(in_flight), float(seconds)))
            case ["costs"]:
                say_json(node.costs())
            case other:
                raise ValueError(f"command {other!r}: use load IN_FLIGHT SECONDS or costs")


def say_json(answer: Load | Costs) -> None:
    """Answer a command."""
    say(msgspec.json.encode(answer).decode())


def say(line: str) -> None:
    """Print now: somebody waits for it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(*sys.argv[1:]))
