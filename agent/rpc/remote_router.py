"""A client agent's router: it keeps no state and asks a server.

It stands where ``agent.rpc.router.Router`` stands on a server. ``read_now`` and ``submit`` raise
NotLocal, so that the fast lanes hand over to ``call``; there is nothing to watch.

Every call has a deadline; what may be repeated is (``agent.rpc.asking``).
"""

from collections.abc import Callable, Hashable
from typing import Final, NamedTuple, NoReturn, Protocol

import msgspec
import structlog

from agent.config import RuntimeConfig
from agent.rpc.asking import ask, blocks, in_time, until_answered
from agent.rpc.blocking import JITTER_FRACTION
from agent.rpc.codec import encode_request
from agent.rpc.connection import CallingEnd, ConnectionLost
from agent.rpc.meter import Count, uncounted
from agent.rpc.rate import TokenBucket
from agent.rpc.read_cache import ReadCache
from agent.rpc.request import NoLeader, ReadRequest, Reply, Request, RpcError
from agent.rpc.server import Random
from catalog.duration import SECOND

ANSWER_MARGIN_S: Final = 10.0  # for a blocking read's answer to come, once its wait is over

_log = structlog.get_logger("agent.rpc")


class NotLocal(RpcError):
    """Only a server can answer, through ``call``."""

    def __init__(self) -> None:
        super().__init__("this agent keeps no state")


class RateExceeded(RpcError):
    """This agent asks the servers more often than its settings allow."""

    def __init__(self) -> None:
        super().__init__("RPC rate limit exceeded")


class CallLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Waits in nanoseconds; an ``answer_timeout`` of 0 is no limit.

    ``rate`` is calls a second, negative for no limit; ``burst`` how many at once within it.
    """

    default_query_time: int
    max_query_time: int
    hold_timeout: int
    answer_timeout: int
    rate: float
    burst: int

    @classmethod
    def of(cls, config: RuntimeConfig) -> "CallLimits":
        """The limits that the configuration sets."""
        return cls(
            default_query_time=config.default_query_time,
            max_query_time=config.max_query_time,
            hold_timeout=config.performance.rpc_hold_timeout,
            answer_timeout=config.limits.rpc_client_timeout,
            rate=config.limits.rpc_rate,
            burst=config.limits.rpc_max_burst,
        )

    def answer_within_s(self, request: Request) -> float | None:
        """For how many seconds a call waits for its answer; None without limit."""
        if not isinstance(request, ReadRequest) or not blocks(request):
            return self.answer_timeout / SECOND or None
        # The server draws the jitter, so the longest that it may draw is waited for. Its limits may
        # be others than this agent's: a wait that was asked for is not cut here.
        wait_ns = request.wait_ns or self.default_query_time
        return wait_ns * (1 + 1 / JITTER_FRACTION) / SECOND + ANSWER_MARGIN_S


class Connections(Protocol):
    """Where requests go: agent.rpc.pool.Pool."""

    async def connection(self) -> CallingEnd:
        """The connection to use. Raises NoServers or Unreachable."""

    def failed(self, connection: CallingEnd) -> None:
        """This connection's server could not answer."""


class RemoteContext(NamedTuple):
    """The part of a server's context that a client agent has too."""

    datacenter: str


class RemoteRouter:
    """Routes every request to a server. ``now_s`` is a monotonic clock."""

    changes: Final = 0  # nothing is kept here that could change
    is_newest: Final = False
    sees_own_writes: Final = True  # nothing is kept here that could lack them

    def __init__(
        self,
        pool: Connections,
        datacenter: str,
        limits: CallLimits,
        *,
        rng: Random,
        now_s: Callable[[], float],
        count: Count = uncounted,
    ) -> None:
        self.context = RemoteContext(datacenter)
        self.blocked_count = 0
        self.cache: ReadCache | None = None  # what ``?cached`` is answered from, where there is one
        self._pool = pool
        self._rng = rng
        self._now_s = now_s
        self._count = count
        self._bucket = TokenBucket(limits.rate, limits.burst, now_s())
        self._limits = limits
        self._leaderless: tuple[CallingEnd, float] | None = None  # since when a server has none

    @property
    def limits(self) -> CallLimits:
        """What bounds calls; a reload sets it anew."""
        return self._limits

    @limits.setter
    def limits(self, limits: CallLimits) -> None:
        if (limits.rate, limits.burst) != (self._limits.rate, self._limits.burst):
            self._bucket = TokenBucket(limits.rate, limits.burst, self._now_s())
        self._limits = limits

    async def call(self, request: Request) -> Reply:
        """Ask a server. Raises what the server raised, or another RpcError."""
        self._count("consul.client.rpc")
        if not self._bucket.take(self._now_s()):
            self._count("consul.client.rpc.exceeded")
            raise RateExceeded
        is_blocking = blocks(request)
        self.blocked_count += is_blocking
        try:
            limit_s = self._limits.answer_within_s(request)
            return await in_time(request, self._until_answered(request), limit_s)
        finally:
            self.blocked_count -= is_blocking

    def read_now(self, request: ReadRequest) -> NoReturn:
        """Nothing can be read here."""
        raise NotLocal

    def read_soon(
        self, request: ReadRequest, done: Callable[[Reply | Exception], None]
    ) -> NoReturn:
        """Nothing can be read here."""
        raise NotLocal

    def submit(self, request: Request, done: Callable[[object], None]) -> NoReturn:
        """Nothing can be written here."""
        raise NotLocal

    def watch(self, keys: list[Hashable], wake_up: Callable[[], None]) -> None:
        """Nothing that is kept here changes."""

    def unwatch(self, keys: list[Hashable], wake_up: Callable[[], None]) -> None:
        """See watch."""

    async def _until_answered(self, request: Request) -> Reply:
        name, body = encode_request(request)
        return await until_answered(
            request,
            lambda: self._ask(name, body),
            hold_s=self._limits.hold_timeout / SECOND,
            rng=self._rng,
            now_s=self._now_s,
        )

    async def _ask(self, name: str, body: bytes) -> Reply:
        connection = await self._pool.connection()
        try:
            reply = await ask(connection, name, body)
        except ConnectionLost:
            self._pool.failed(connection)
            server = connection.peer.node if connection.peer else ""
            self._count("consul.client.rpc.failed", server=server)
            raise
        except NoLeader:
            self._lacks_leader(connection)
            raise
        if reply.known_leader:
            self._leaderless = None
        return reply

    def _lacks_leader(self, connection: CallingEnd) -> None:
        """Leave a server that knows no leader for long: it may be cut off from the others.

        Not at once: all agents would change servers at every election.
        """
        now_s = self._now_s()
        if self._leaderless is None or self._leaderless[0] is not connection:
            self._leaderless = (connection, now_s)
        elif now_s - self._leaderless[1] > self._limits.hold_timeout / SECOND / 2:
            self._pool.failed(connection)
