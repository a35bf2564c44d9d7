"""Which server a client agent asks: one healthy server at a time, over one connection.

The server is kept while its connection works, so that load does not move without need. On an error
the next one is asked at once. Every few minutes another is drawn, so that load spreads again after
servers were restarted; calls in progress end on the old connection.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Final, Protocol, TypeVar

import msgspec
import structlog

from agent.rpc.connection import CallingEnd, ConnectionLost
from agent.rpc.request import RpcError
from agent.rpc.server import Random

REBALANCE_INTERVAL_S_MIN: Final = 120.0  # Consul's: two minutes, and up to one more at random
REBALANCE_JITTER_S: Final = 60.0
REBALANCES_PER_SERVER_S: Final = 64.0  # new connections a server takes a second, cluster-wide

_log = structlog.get_logger("agent.rpc")
T = TypeVar("T")


class ServerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A server. ``id`` is its node id; an unhealthy one is asked last.

    An empty ``datacenter`` is the own one.
    """

    id: str
    name: str
    host: str
    port: int
    healthy: bool = True
    datacenter: str = ""


class Servers(Protocol):
    """Where the pool learns of servers."""

    def servers(self) -> Sequence[ServerAddress]:
        """The servers known now."""

    @property
    def node_count(self) -> int:
        """The members of the datacenter, agents and servers."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` at each change of the servers, until the returned function is called."""


class StartTask(Protocol):
    """agent.tasks.Tasks.start."""

    def __call__(self, name: str, work: Coroutine[None, None, T]) -> "asyncio.Task[T]":
        """Run work in the background."""


class NoServers(RpcError):
    """No server is known."""

    def __init__(self) -> None:
        super().__init__("No known Consul servers")


class Unreachable(RpcError):
    """No known server takes a connection; nothing was sent."""


Dial = Callable[[ServerAddress], Awaitable[CallingEnd]]


def rebalance_interval_s(server_count: int, node_count: int, rng: Random) -> float:
    """Seconds until another server is drawn; longer in clusters so large that all would crowd."""
    interval_s = REBALANCE_INTERVAL_S_MIN + rng.random() * REBALANCE_JITTER_S
    return max(interval_s, node_count / (REBALANCES_PER_SERVER_S * max(1, server_count)))


class Pool:
    """The connection to the servers. ``dial`` connects and raises OSError or ConnectionLost."""

    def __init__(self, servers: Servers, dial: Dial, start_task: StartTask, rng: Random) -> None:
        self._servers = servers
        self._dial = dial
        self._start_task = start_task
        self._rng = rng
        self._order: list[ServerAddress] = []
        self._unreached: set[str] = set()  # ids of servers whose last dial failed
        self._asked: ServerAddress | None = None
        self._current: CallingEnd | None = None
        self._dialling: asyncio.Task[CallingEnd | RpcError] | None = None
        self._balancing: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to follow the servers and to rebalance."""
        self._unsubscribe = self._servers.subscribe(self._changed)
        self._changed()
        self._balancing = self._start_task("rpc rebalance", self._keep_balanced())

    def close(self) -> None:
        """End the connection; calls in progress fail, and those that wait for it."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for task in (self._balancing, self._dialling):
            if task is not None:
                task.cancel()
        if self._current is not None:
            self._current.close("the agent is stopping")

    @property
    def asked(self) -> ServerAddress | None:
        """The server that is asked now."""
        return self._asked if self._current is not None and self._current.usable else None

    async def connection(self) -> CallingEnd:
        """The connection to use. Raises NoServers or Unreachable."""
        if self._current is not None and self._current.usable:
            return self._current
        if self._dialling is None or self._dialling.done():
            # One dial for all who wait; it goes on when one of them is cancelled.
            self._dialling = self._start_task("rpc dial", self._dial_any())
        dialling = self._dialling
        await asyncio.wait((dialling,))
        if dialling.cancelled():
            raise Unreachable("failed to get conn: the pool was closed")
        outcome = dialling.result()
        if isinstance(outcome, RpcError):
            raise outcome
        return outcome

    def failed(self, connection: CallingEnd) -> None:
        """This connection's server could not answer: ask another from now on."""
        if connection is not self._current:
            return  # others have said so before
        if self._asked is not None:
            self._move_last(self._asked)
        self._leave_current()

    async def rebalance(self) -> None:
        """Draw a server anew and move to it, if it answers."""
        if len(self._order) <= 1 or self._current is None:
            return
        self._rng.shuffle(self._order)
        server = self._candidates()[0]
        if server == self._asked:
            return
        connection = await self._try(server)
        if isinstance(connection, CallingEnd):
            self._use(server, connection)

    # Servers.

    def _changed(self) -> None:
        known = {server.id: server for server in self._servers.servers()}
        kept = [known.pop(server.id) for server in self._order if server.id in known]
        added = list(known.values())
        self._rng.shuffle(added)  # each agent in its own order: the load spreads
        self._order = kept + added
        self._unreached &= {server.id for server in self._order}
        if self._asked is None:
            return
        now = next((server for server in self._order if server.id == self._asked.id), None)
        if now != self._asked:  # gone, moved to another address, or not healthy any more
            self._leave_current()

    def _candidates(self) -> list[ServerAddress]:
        return sorted(self._order, key=lambda server: not server.healthy)

    def _move_last(self, server: ServerAddress) -> None:
        if server in self._order:
            self._order.remove(server)
            self._order.append(server)

    # Connections.

    async def _dial_any(self) -> CallingEnd | RpcError:
        outcome: CallingEnd | RpcError = NoServers()
        for server in self._candidates():
            outcome = await self._try(server)
            if isinstance(outcome, CallingEnd):
                self._use(server, outcome)
                return outcome
            self._move_last(server)
        return outcome

    async def _try(self, server: ServerAddress) -> CallingEnd | RpcError:
        try:
            return await self._dial(server)
        except (OSError, ConnectionLost) as error:
            # All who wait dial again and again: the first time is the news.
            log = _log.debug if server.id in self._unreached else _log.warning
            log("server not reached", server=server.name, error=str(error))
            self._unreached.add(server.id)
            return Unreachable(f"failed to get conn: {server.host}:{server.port}: {error}")

    def _use(self, server: ServerAddress, connection: CallingEnd) -> None:
        self._leave_current()
        self._asked, self._current = server, connection
        log = _log.info if server.id in self._unreached else _log.debug
        log("server chosen", server=server.name)
        self._unreached.discard(server.id)

    def _leave_current(self) -> None:
        if self._current is not None:
            self._current.retire()
        self._asked = self._current = None

    async def _keep_balanced(self) -> None:
        while True:
            servers = self._servers
            await asyncio.sleep(
                rebalance_interval_s(len(self._order), servers.node_count, self._rng)
            )
            await self.rebalance()
