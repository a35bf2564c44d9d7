"""Asks other datacenters: each one's servers over one connection, like a client agent of it.

    request ─► pool of its datacenter ─► one of its servers ─► that datacenter's leader, if needed

Requests go as they are. What may be repeated is (``agent.rpc.asking``), but nobody waits for a
datacenter none of whose servers takes a connection: it may be gone for long, and a prepared query
has others to ask. Source: Consul, forwarding between datacenters; surface §0.1.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from agent.rpc.asking import ask, in_time, until_answered
from agent.rpc.codec import encode_request
from agent.rpc.connection import CallingEnd, ConnectionLost
from agent.rpc.meter import Count, uncounted
from agent.rpc.pool import Dial, NoServers, Pool, ServerAddress, Servers, StartTask, Unreachable
from agent.rpc.remote_router import CallLimits
from agent.rpc.request import NoLeader, NoPathToDatacenter, Reply, Request, RpcError
from agent.rpc.server import Random
from catalog.duration import SECOND

POOLS_MAX: Final = 64  # datacenters with a connection: a socket each; the longest unused goes first


class Atlas(Protocol):
    """Where other datacenters are: agent.membership.servers_abroad.ServersAbroad."""

    def datacenters(self) -> tuple[str, ...]:
        """The datacenters known, the own one too, near ones first."""

    def servers(self, datacenter: str) -> Sequence[ServerAddress]:
        """The servers of a datacenter; none when it is not known."""

    def of(self, datacenter: str) -> Servers:
        """One datacenter's servers, as a pool follows them."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` at each change of the servers, until the returned function is called."""


class NoneReachable(RpcError):
    """The datacenter is known, but none of its servers takes a connection; nothing was sent."""

    def __init__(self) -> None:
        super().__init__("Remote DC has no server currently reachable")


class _Path:
    """The way to one datacenter."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.call_count = 0


class Abroad:
    """See the module. ``limits``' rate has no say here. ``now_s`` is a monotonic clock."""

    def __init__(  # noqa: PLR0913 - everything that the edge gives, named
        self,
        datacenter: str,
        atlas: Atlas,
        dial: Dial,
        start_task: StartTask,
        limits: CallLimits,
        *,
        rng: Random,
        now_s: Callable[[], float],
        count: Count = uncounted,
    ) -> None:
        self.limits = limits
        self._datacenter = datacenter
        self._atlas = atlas
        self._dial = dial
        self._start_task = start_task
        self._rng = rng
        self._now_s = now_s
        self._count = count
        self._paths: OrderedDict[str, _Path] = OrderedDict()  # the longest unused first
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to follow which datacenters there are."""
        self._unsubscribe = self._atlas.subscribe(self._changed)

    def close(self) -> None:
        """End every connection; calls in progress fail."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        while self._paths:
            self._paths.popitem()[1].pool.close()

    def is_for(self, request: Request) -> bool:
        """Whether a request is for another datacenter than this server's."""
        return bool(request.datacenter) and request.datacenter.lower() != self._datacenter

    def datacenters(self) -> tuple[str, ...]:
        """The other datacenters known, near ones first."""
        return tuple(name for name in self._atlas.datacenters() if name != self._datacenter)

    async def call(self, request: Request) -> Reply:
        """The answer of the request's datacenter.

        Raises NoPathToDatacenter for an unknown one, NoneReachable, what its server raised, or
        another RpcError.
        """
        assert self.is_for(request), "the own datacenter is not abroad"
        datacenter = request.datacenter.lower()
        self._count("consul.rpc.cross-dc", datacenter=datacenter)
        name, body = encode_request(request)
        answer = until_answered(
            request,
            lambda: self._ask(datacenter, name, body),
            hold_s=self.limits.hold_timeout / SECOND,
            rng=self._rng,
            now_s=self._now_s,
        )
        return await in_time(request, answer, self.limits.answer_within_s(request))

    async def _ask(self, datacenter: str, name: str, body: bytes) -> Reply:
        path = self._path(datacenter)
        path.call_count += 1
        try:
            connection = await path.pool.connection()
            try:
                return await ask(connection, name, body)
            except (ConnectionLost, NoLeader):
                path.pool.failed(connection)  # one without a leader may be cut off from the others
                raise
        except (NoServers, Unreachable):
            raise NoneReachable from None
        finally:
            path.call_count -= 1

    def _path(self, datacenter: str) -> _Path:
        servers = self._atlas.servers(datacenter)
        if not servers:
            raise NoPathToDatacenter
        if not any(server.healthy for server in servers):
            raise NoneReachable  # to find it out by dialling takes seconds for each
        path = self._paths.get(datacenter)
        if path is None:
            self._make_room()
            path = self._paths[datacenter] = _Path(self._make_pool(datacenter))
            path.pool.start()
        self._paths.move_to_end(datacenter)
        return path

    def _make_room(self) -> None:
        if len(self._paths) < POOLS_MAX:
            return
        unused = next((name for name, path in self._paths.items() if not path.call_count), None)
        if unused is None:
            raise RpcError(f"more than {POOLS_MAX} datacenters are asked at once")
        self._paths.pop(unused).pool.close()

    def _make_pool(self, datacenter: str) -> Pool:
        async def dial(server: ServerAddress) -> CallingEnd:
            connection = await self._dial(server)
            found = connection.peer.datacenter if connection.peer else ""
            if found != datacenter:  # another agent has got its address, gossip does not know yet
                reason = f"a server of {found!r} answers, not one of {datacenter!r}"
                connection.close(reason)
                raise ConnectionLost(reason, sent=False)
            return connection

        return Pool(self._atlas.of(datacenter), dial, self._start_task, self._rng)

    def _changed(self) -> None:
        for datacenter in [name for name in self._paths if not self._atlas.servers(name)]:
            self._paths.pop(datacenter).pool.close()
