"""A server's router: answers here what this server may answer, and asks the leader for the rest.

What is for another datacenter goes there as it came (``agent.rpc.abroad``).

Who may answer is read from the endpoint table. What every replica knows is read here, on leader
and follower alike, once consensus says that the own state is new enough; so reads cost the leader
no more than their share of one short message. Writes go to the leader, which does not pass them on:
nothing is forwarded twice. Source: Consul, consistency modes and request forwarding.

``read_now``, ``read_soon`` and ``submit`` serve the fast lanes of HTTP and DNS without a task. They
raise NotLocal for what they cannot answer, which is then given to ``call``.
"""

import sys
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Protocol

import msgspec

from agent.clock import monotonic_s
from agent.rpc import read_gate
from agent.rpc.asking import until_answered
from agent.rpc.blocking import Limits
from agent.rpc.pool import StartTask
from agent.rpc.read_gate import ReadGate
from agent.rpc.remote_router import NotLocal
from agent.rpc.request import Consistency, NoLeader, ReadRequest, Reply, Request
from agent.rpc.router import Outcome, Router
from agent.rpc.server import Abroad, ServerContext
from agent.rpc.table import BY_REQUEST, Knows, knows
from catalog.duration import SECOND
from catalog.read import Read
from raft.errors import (
    NoLeader as NoRaftLeader,
)
from raft.errors import (
    NotLeader,
    NotMember,
    RaftError,
    StaleTerm,
    Transferring,
)

EVER_S: Final = sys.float_info.max  # any contact at all is enough for a stale read
Attempt = Callable[[], Awaitable[Reply]]
# Nothing was done, and another server, or this one in a moment, will take it.
RETRIED: Final = (NotLeader, NoRaftLeader, NotMember, StaleTerm, Transferring)


class Consensus(read_gate.Consensus, Protocol):
    """What the log tells of leadership, and how to wait for a state that is new enough."""

    @property
    def is_leader(self) -> bool:
        """Whether this server leads, as far as it knows."""

    def can_read_now(self) -> bool:
        """Whether a read of now, here, sees every write that was answered before."""

    @property
    def applied_index(self) -> int:
        """Index of the newest command that the own state has seen."""

    @property
    def leader_address(self) -> str:
        """Where the leader listens; empty while none is known."""

    @property
    def last_contact_s(self) -> float:
        """Seconds since the leader was heard; 0 on the leader, infinite if it never was."""


class Leader(Protocol):
    """The way to the leader."""

    async def ask(self, request: Request) -> Reply:
        """Ask once. Raises NoLeader, Unreachable, ConnectionLost, or what the leader raised."""


class ServerRouter:
    """Routes requests on a server; ``local`` answers what may be answered here.

    ``hold_s`` is for how many seconds a call waits for want of a leader.
    """

    def __init__(
        self,
        local: Router,
        consensus: Consensus,
        leader: Leader,
        abroad: Abroad,
        hold_s: Callable[[], float],
        start_task: StartTask,
    ) -> None:
        self.local = local
        self._consensus = consensus
        self._leader = leader
        self._abroad = abroad
        self._gate = ReadGate(consensus)
        self._hold_s = hold_s
        self._start_task = start_task
        self._written_index = 0  # of what the leader wrote for callers of this server

    async def call(self, request: Request) -> Reply:
        """Answer any request. Raises CatalogError, RpcError or RaftError."""
        if self._abroad.is_for(request):
            return await self._abroad.call(request)
        return await self._until_answered(request, lambda: self._attempt(request))

    async def call_for_server(self, request: Request) -> Reply:
        """Answer another server, which takes this one for the leader.

        Nothing is passed on, and nobody waited for: the other server does that.
        """
        return await self._attempt(request, forwards=False)

    def read_now(self, request: ReadRequest) -> tuple[Reply, Read]:
        """Answer a read from the state of now; also what the answer depends on."""
        if self._abroad.is_for(request):
            raise NotLocal
        if request.consistency is Consistency.STALE and self._may_be_stale(request):
            reply, read = self.local.read_now(request)
            return self._dated(reply), read
        if not self._may_read_now(request):
            raise NotLocal
        return self.local.read_now(request)

    def read_soon(self, request: ReadRequest, done: Callable[[Reply | Exception], None]) -> None:
        """Answer a read that does not block, without a task, once the own state is new enough."""
        if self._abroad.is_for(request) or not _is_of_every_replica(request):
            raise NotLocal

        def ready(error: RaftError | None) -> None:
            try:
                if error is not None:
                    raise NotLocal
                reply, _read = self.local.read_now(request)
            except NotLocal:
                self._start_task("read again", self._call_for(request, done))
            except Exception as refusal:  # noqa: BLE001 - whoever waits tells his client
                done(refusal)
            else:
                done(reply)

        self._gate.wait(ready, lease_allowed=_is_lease_enough(request))

    def submit(self, request: Request, done: Outcome) -> None:
        """Start a write; ``done`` gets its value, or the error that refused it."""

        def answered(outcome: Reply | Exception) -> None:
            done(outcome.value if isinstance(outcome, Reply) else outcome)

        def settled(result: object) -> None:
            if isinstance(result, RETRIED):  # nothing was done: there is another leader
                self._start_task("write again", self._call_for(request, answered))
            else:
                done(result)

        if self._abroad.is_for(request) or not self._consensus.is_leader:
            self._start_task("write elsewhere", self._call_for(request, answered))
        else:
            self.local.submit(request, settled)

    # What the local answers depend on.

    @property
    def context(self) -> ServerContext:
        """The server as its endpoints see it."""
        return self.local.context

    @property
    def limits(self) -> Limits:
        """What bounds blocking reads; a reload sets it anew."""
        return self.local.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.local.limits = limits

    @property
    def blocked_count(self) -> int:
        """The reads that wait for a change."""
        return self.local.blocked_count

    @property
    def changes(self) -> int:
        """How often the state was changed; the same number means the same state."""
        return self.local.changes

    @property
    def is_newest(self) -> bool:
        """Whether a kept answer, whose keys have not changed, is as good as a new one."""
        return self._consensus.can_read_now()

    @property
    def sees_own_writes(self) -> bool:
        """Whether the own state has all that was written through this server, or cannot get it.

        A moment later it has; until then not even a stale read is answered from it, so that who
        registers something here finds it here. Without a leader it gets nothing, and a stale read
        is answered from what there is.
        """
        consensus = self._consensus
        return consensus.applied_index >= self._written_index or not consensus.leader_address

    def watch(self, keys: list[Hashable], wake_up: Callable[[], None]) -> None:
        """Call ``wake_up`` once, at the first change of what a read depended on."""
        self.local.watch(keys, wake_up)

    def unwatch(self, keys: list[Hashable], wake_up: Callable[[], None]) -> None:
        """Forget a watch."""
        self.local.unwatch(keys, wake_up)

    # One attempt.

    async def _attempt(self, request: Request, *, forwards: bool = True) -> Reply:
        known_by = knows(BY_REQUEST[type(request)])
        if known_by is Knows.ANY_SERVER:
            return await self.local.call(request)
        if isinstance(request, ReadRequest):
            if request.consistency is Consistency.STALE and self._may_be_stale(request):
                return self._dated(await self.local.call(request))
            if known_by is Knows.EVERY_REPLICA:
                return await self._read_newest(request)
        if self._consensus.is_leader:
            return await self._lead(request)
        if forwards:
            return await self._ask_leader(request)
        raise NoLeader

    async def _ask_leader(self, request: Request) -> Reply:
        reply = await self._leader.ask(request)
        if not isinstance(request, ReadRequest):
            self._written_index = max(self._written_index, reply.index)
        return reply

    async def _read_newest(self, request: ReadRequest) -> Reply:
        if not self._may_read_now(request):
            try:
                await self._gate.passed(lease_allowed=_is_lease_enough(request))
            except RETRIED:
                raise NoLeader from None
        return await self.local.call(request)

    async def _lead(self, request: Request) -> Reply:
        try:
            return await self.local.call(request)
        except RETRIED:
            raise NoLeader from None

    async def _until_answered(self, request: Request, attempt: Attempt) -> Reply:
        return await until_answered(
            request,
            attempt,
            hold_s=self._hold_s(),
            rng=self.local.context.rng,
            now_s=monotonic_s,
        )

    async def _call_for(self, request: Request, done: Callable[[Reply | Exception], None]) -> None:
        try:
            reply = await self.call(request)
        except Exception as error:  # noqa: BLE001 - whoever waits tells his client
            done(error)
        else:
            done(reply)

    def _may_read_now(self, request: ReadRequest) -> bool:
        if knows(BY_REQUEST[type(request)]) is Knows.ANY_SERVER:
            return True
        return _is_lease_enough(request) and self._consensus.can_read_now()

    def _may_be_stale(self, request: ReadRequest) -> bool:
        if not self.sees_own_writes:
            return False
        limit_s = request.max_stale_ns / SECOND if request.max_stale_ns else EVER_S
        return self._consensus.last_contact_s <= limit_s

    def _dated(self, reply: Reply) -> Reply:
        """An answer that may be old, with what its reader needs to judge it."""
        consensus = self._consensus
        return msgspec.structs.replace(
            reply,
            last_contact_ms=int(consensus.last_contact_s * 1000),
            known_leader=bool(consensus.leader_address),
        )


def _is_lease_enough(request: ReadRequest) -> bool:
    return request.consistency is not Consistency.CONSISTENT


def _is_of_every_replica(request: ReadRequest) -> bool:
    return request.min_index <= 0 and knows(BY_REQUEST[type(request)]) is Knows.EVERY_REPLICA
