"""Servers with one shared state behind real sockets, and a client agent's router in front."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import msgspec

from agent.clock import monotonic_s
from agent.rpc import wire
from agent.rpc.asking import ask
from agent.rpc.codec import encode_request
from agent.rpc.connection import CallingEnd
from agent.rpc.dial import Dialler
from agent.rpc.endpoints.kv import KvApply, KvGet
from agent.rpc.peer_server import PeerLimits, PeerServer
from agent.rpc.pool import NoServers, Pool, ServerAddress
from agent.rpc.remote_router import CallLimits, RemoteRouter
from agent.rpc.request import NoLeader, NoPathToDatacenter, Reply, Request
from agent.rpc.router import Router
from agent.rpc.server import ServerContext
from agent.rpc.server_router import ServerRouter
from agent.tasks import Tasks
from agent.telemetry.table import METRICS
from catalog.apply import StateMachine
from catalog.commands import KvOperation, KvVerb
from catalog.duration import MILLISECOND, SECOND
from raft import errors

LOOPBACK: Final = "127.0.0.1"
CALL_LIMITS: Final = CallLimits(
    default_query_time=300 * SECOND,
    max_query_time=600 * SECOND,
    hold_timeout=500 * MILLISECOND,
    answer_timeout=5 * SECOND,
    rate=-1.0,
    burst=1000,
)


def hello(node: str = "node-a", role: wire.Role = wire.Role.CLIENT) -> wire.Hello:
    """Who an end says it is."""
    return wire.Hello(node=node, node_id=f"{node}-id", datacenter="dc1", role=role)


class Log:
    """A log of one server, which applies in the next turn of the loop; or nothing, if held.

    It is the consensus too: tests say who leads, and whether the state is up to date.
    """

    def __init__(self, machine: StateMachine) -> None:
        self._machine = machine
        self.index = 0
        self.held = False
        self.leads = True
        self.is_current = True  # a quorum answers, or the leader does
        self.leader_address = ""
        self.last_contact_s = 0.0
        self.proposed = 0
        self.refused = 0
        self.rounds = 0

    @property
    def is_leader(self) -> bool:
        self.refused += not self.leads
        return self.leads

    @property
    def applied_index(self) -> int:
        return self.index

    def can_read_now(self) -> bool:
        return self.leads and self.is_current

    def read(
        self, done: Callable[[int, errors.RaftError | None], None], *, lease_allowed: bool = True
    ) -> None:
        if not self.is_current or not (self.leads or self.leader_address):
            raise errors.NoLeader
        self.rounds += not (lease_allowed and self.leads)
        asyncio.get_running_loop().call_soon(done, self.index, None)

    def submit(self, command: bytes, done: Callable[[int, object], None]) -> None:
        if not self.leads:
            raise errors.NoLeader
        self.proposed += 1
        if not self.held:
            asyncio.get_running_loop().call_soon(self._apply, command, done)

    def _apply(self, command: bytes, done: Callable[[int, object], None]) -> None:
        self.index += 1
        done(self.index, self._machine.apply(self.index, command))


class PoolLeader:
    """The leader behind a pool that knows it alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ask(self, request: Request) -> Reply:
        try:
            connection = await self._pool.connection()
        except NoServers:
            raise NoLeader from None
        return await ask(connection, *encode_request(request))


class NoTimers:
    """Locks are never delayed."""

    def lock_delayed(self, key: str) -> bool:
        del key
        return False

    def renew(self, session_id: str, ttl: str) -> None:
        """Sessions live for ever here."""


class KnownServers:
    """A provider of servers that tests change."""

    node_count = 3

    def __init__(self) -> None:
        self.known: list[ServerAddress] = []
        self._changed: list[Callable[[], None]] = []

    def servers(self) -> Sequence[ServerAddress]:
        return list(self.known)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._changed.append(changed)
        return lambda: self._changed.remove(changed)

    def set(self, *known: ServerAddress) -> None:
        self.known = list(known)
        for changed in list(self._changed):
            changed()

    def mark(self, server_id: str, *, healthy: bool) -> None:
        """Another state of health of a server."""
        self.set(
            *(
                msgspec.structs.replace(server, healthy=healthy)
                if server.id == server_id
                else server
                for server in self.known
            )
        )


class OtherDatacenters:
    """Datacenters by name, with what each answers. Implements agent.rpc.server.Abroad."""

    def __init__(self) -> None:
        self.answers: dict[str, Reply] = {}
        self.asked: list[Request] = []

    def datacenters(self) -> tuple[str, ...]:
        return tuple(self.answers)

    def is_for(self, request: Request) -> bool:
        return request.datacenter.lower() not in {"", "dc1"}

    async def call(self, request: Request) -> Reply:
        self.asked.append(request)
        if request.datacenter not in self.answers:
            raise NoPathToDatacenter
        return self.answers[request.datacenter]


class Context(ServerContext):
    """A server's context; tests that need a state of the server give it one."""

    state: Any


class Cluster:
    """The parts, by name."""

    def __init__(self, limits: PeerLimits) -> None:
        self.tasks = Tasks()
        self.rng = Random(7)
        self.machine = StateMachine(lambda _effect: None)
        self.log = Log(self.machine)
        self.limits = limits
        self.abroad = OtherDatacenters()
        self.context = Context(
            store=self.machine.store,
            datacenter="dc1",
            node_name="server-1",
            timers=NoTimers(),
            rng=self.rng,
            new_uuid=lambda: "11111111-2222-3333-4444-555555555555",
            now_s=lambda: 0.0,
            session_ttl_min_ns=10 * SECOND,
            abroad=self.abroad,
        )
        self.counted: Counter[str] = Counter()
        self.servers: list[PeerServer] = []
        self.hold_s = 0.0  # for which the servers wait for a leader
        self.leader = KnownServers()  # where the leader is, when it is another server
        self.leader_pool = Pool(
            self.leader, Dialler(hello(role=wire.Role.SERVER), 1.0), self.tasks.start, self.rng
        )
        self.router = ServerRouter(
            Router(self.context, self.log, CALL_LIMITS),
            self.log,
            PoolLeader(self.leader_pool),
            self.abroad,
            lambda: self.hold_s,
            self.tasks.start,
        )
        self.known = KnownServers()
        self.pool = Pool(self.known, Dialler(hello(), 1.0), self.tasks.start, self.rng)
        self.remote = RemoteRouter(
            self.pool, "dc1", CALL_LIMITS, rng=self.rng, now_s=monotonic_s, count=self.count
        )

    def count(self, name: str, n: int = 1, **labels: str) -> None:
        """Count as the agent's metrics do."""
        del labels
        assert name in {metric.name for metric in METRICS}
        self.counted[name] += n

    async def add_server(self) -> PeerServer:
        """One more server over the same state."""
        name = f"server-{len(self.servers) + 1}"
        server = PeerServer(
            self.router, hello(name, wire.Role.SERVER), self.tasks, self.limits, self.count
        )
        port = server.listen(LOOPBACK, 0)
        self.servers.append(server)
        self.known.set(*self.known.known, address(name, port))
        return server

    def asked_server(self) -> PeerServer:
        """The server that the pool asks."""
        asked = self.pool.asked
        assert asked is not None
        return self.servers[int(asked.name.rpartition("-")[2]) - 1]

    async def dial(self) -> CallingEnd:
        """A connection of its own to the first server."""
        return await Dialler(hello("node-b"), 1.0)(self.known.known[0])

    async def put(self, key: str, value: bytes = b"x") -> Any:
        """Write a key through the client agent."""
        return (await self.remote.call(put(key, value))).value

    async def close(self) -> None:
        """Stop everything."""
        self.pool.close()
        self.leader_pool.close()
        for server in self.servers:
            await server.close()
        await self.tasks.close()


@asynccontextmanager
async def open_cluster(
    server_count: int = 1, limits: PeerLimits | None = None
) -> AsyncIterator[Cluster]:
    """Running servers and a pool that knows them."""
    cluster = Cluster(limits or PeerLimits())
    for _ in range(server_count):
        await cluster.add_server()
    cluster.pool.start()
    cluster.leader_pool.start()
    try:
        yield cluster
    finally:
        await cluster.close()


def address(name: str, port: int, *, healthy: bool = True) -> ServerAddress:
    """A server on loopback."""
    return ServerAddress(id=f"{name}-id", name=name, host=LOOPBACK, port=port, healthy=healthy)


def put(key: str, value: bytes = b"x") -> Request:
    """A write of a key."""
    return KvApply(operation=KvOperation(verb=KvVerb.SET, key=key, value=value))


def blocking(key: str, index: int, wait_ns: int = 60 * SECOND) -> KvGet:
    """A read that waits for a change of a key."""
    return KvGet(key=key, min_index=index, wait_ns=wait_ns)
