"""Answers requests here, from this server's own state and by its own log.

Whether that is the right place is not asked: see ``agent.rpc.server_router``.

``record`` hears how many seconds each write took, by its endpoint's name.

``call`` answers any request; ``read_now`` answers a read that does not block, without a task, for
the fast lanes of HTTP and DNS; ``submit`` is a write without a task.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from agent.clock import monotonic_s
from agent.rpc import blocking
from agent.rpc.remote_router import NotLocal
from agent.rpc.request import NoPathToDatacenter, ReadRequest, Reply, Request, WriteRequest
from agent.rpc.server import Done, Elsewhere, ServerContext
from agent.rpc.table import BY_REQUEST, ReadEndpoint, TaskEndpoint, WriteEndpoint
from catalog.commands import encode
from catalog.errors import CatalogError
from catalog.filters import compile_filter
from catalog.read import Read
from raft.errors import RaftError

Outcome = Callable[[object], None]


def _unrecorded(_endpoint: str, _seconds: float) -> None:
    """Nobody counts."""


class Log(Protocol):
    """The replicated log: the one way to change the state."""

    @property
    def applied_index(self) -> int:
        """Index of the newest command that the state has seen."""

    def submit(self, command: bytes, done: Callable[[int, object], None]) -> None:
        """Propose a command; ``done(index, result)`` is called once it is durable and applied."""


class Router:
    """Routes requests to the server that answers them."""

    def __init__(
        self,
        context: ServerContext,
        log: Log,
        limits: blocking.Limits,
        record: Callable[[str, float], None] = _unrecorded,
    ) -> None:
        self.context = context
        self.log = log
        self.limits = limits
        self.blocked_count = 0
        self._record = record

    async def call(self, request: Request) -> Reply:
        """Answer a request. Raises CatalogError or RpcError."""
        self._check_datacenter(request)
        endpoint = BY_REQUEST[type(request)]
        if isinstance(request, ReadRequest):
            assert isinstance(endpoint, ReadEndpoint)
            return await self._read(endpoint, request)
        if isinstance(endpoint, TaskEndpoint):
            return self._done(await endpoint.run(self.context, request))
        answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def done(result: object) -> None:
            if not answered.done():
                answered.set_result(result)

        self.submit(request, done)
        return self._done(_value(await answered))

    def _done(self, value: object) -> Reply:
        """What a write gave; a replica that has the reply's index has seen the write."""
        return Reply(value=value, index=max(1, self.log.applied_index))

    def read_now(self, request: ReadRequest) -> tuple[Reply, Read]:
        """Answer a read from the state of now; also what the answer depends on.

        Raises NotLocal when the answer has to be asked for elsewhere.
        """
        self._check_datacenter(request)
        endpoint = BY_REQUEST[type(request)]
        assert isinstance(endpoint, ReadEndpoint)
        read = Read(self.context.store)
        value = self._query(endpoint, request)(read)
        if isinstance(value, Elsewhere):
            raise NotLocal
        return Reply(value=value, index=max(1, read.index)), read

    def submit(self, request: Request, done: Outcome) -> None:
        """Start a write; ``done`` gets its value, or the error that refused it.

        That is a CatalogError, or a RaftError once the log has taken the command.
        """
        self._check_datacenter(request)
        endpoint = BY_REQUEST[type(request)]
        assert isinstance(endpoint, WriteEndpoint)
        assert isinstance(request, WriteRequest)
        begun_s = monotonic_s()
        command = endpoint.run(self.context, request)
        if isinstance(command, Done):
            self._record(endpoint.name, monotonic_s() - begun_s)
            done(command.value)
            return

        def applied(_index: int, result: object) -> None:
            self._record(endpoint.name, monotonic_s() - begun_s)
            done(result)

        self.log.submit(encode(command), applied)

    @property
    def changes(self) -> int:
        """How often the state was changed; the same number means the same state."""
        return self.context.store.changes

    def watch(self, keys: list[Hashable], wake_up: Callable[[], None]) -> None:
        """Call ``wake_up`` once, at the first change of what a read depended on."""
        self.context.store.watches.add(keys, wake_up)

    def unwatch(self, keys: list[Hashable], wake_up: Callable[[], None]) -> None:
        """Forget a watch."""
        self.context.store.watches.remove(keys, wake_up)

    def _check_datacenter(self, request: Request) -> None:
        if request.datacenter and request.datacenter.lower() != self.context.datacenter:
            raise NoPathToDatacenter

    def _query(self, endpoint: ReadEndpoint, request: ReadRequest) -> blocking.Query:
        run = endpoint.run
        context = self.context
        if not request.filter or endpoint.filters is None:
            return lambda read: run(read, request, context)
        keeps = compile_filter(request.filter, endpoint.filters)

        def filtered(read: Read) -> Any:
            value = run(read, request, context)
            if isinstance(value, list):
                return [row for row in value if keeps(row)]
            return value.filtered(keeps) if value is not None else None

        return filtered

    async def _read(self, endpoint: ReadEndpoint, request: ReadRequest) -> Reply:
        begun_s = monotonic_s()
        query = self._query(endpoint, request)
        store = self.context.store
        if request.min_index <= 0:
            read = Read(store)
            value = query(read)
        else:
            timeout_s = blocking.wait_s(request.wait_ns, self.limits, self.context.rng)
            self.blocked_count += 1
            try:
                value, read = await blocking.run(store, query, request.min_index, timeout_s)
            finally:
                self.blocked_count -= 1
        if isinstance(value, Elsewhere):
            value = await value.ask()
        self._record(endpoint.name, monotonic_s() - begun_s)
        return Reply(value=value, index=max(1, read.index))


def _value(result: object) -> object:
    if isinstance(result, CatalogError | RaftError):
        raise result
    return result
