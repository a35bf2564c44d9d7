"""How a cluster begins: alone, or when as many servers as expected first see each other.

Every server that has no log yet looks at the members on each change of them. When the expected
number of voters is there, it asks each whether it belongs to a cluster already; when none does, it
begins one with all of them. All servers do that, with the same bytes, so it does not matter who is
first. Two lists that differ begin two clusters, which the cluster's id keeps apart for ever.

Unlike Consul, only servers that are alive count, and one that gives no answer is waited for: it may
belong to a cluster. Source: Consul, bootstrap_expect.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import msgspec
import structlog

from agent.rpc.endpoints.server_state import StatusPeers
from agent.rpc.pool import ServerAddress
from agent.rpc.request import Consistency
from agent.server.consensus import Consensus
from agent.server.server_calls import Ask, Unanswered
from agent.server.server_members import ServerMember, split_address
from gossip.core.types import Status
from raft.entries import NON_VOTER, VOTER, Configuration, Server
from raft.errors import RaftError

ATTEMPTS_MAX: Final = 6  # questions to a server: with the pauses about half a minute, as Consul
PAUSE_S_FIRST: Final = 1.0  # after the first attempt; then twice as long each time
ANSWER_TIMEOUT_S: Final = 5.0  # of one attempt; a server that is starting may be busy
LOOK_INTERVAL_S: Final = 5.0  # after servers gave no answer, if no member changes before

_log = structlog.get_logger("agent.server")


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """How this server begins: ``alone`` at once, or with ``expect`` voters; 0: it is added."""

    alone: bool = False
    expect: int = 0


class Wait(msgspec.Struct, frozen=True):
    """Not enough voters yet."""

    found: int


class Conflict(msgspec.Struct, frozen=True):
    """A member is configured otherwise; the operator has to act."""

    reason: str


class Ready(msgspec.Struct, frozen=True):
    """Enough voters are there; ``others`` are to be asked."""

    configuration: Configuration
    others: tuple[ServerMember, ...]


Look: TypeAlias = Wait | Conflict | Ready


def look(members: Sequence[ServerMember], own_id: str, expect: int) -> Look:
    """What the servers in gossip, this one among them, mean for the beginning."""
    present = [member for member in members if member.status is Status.ALIVE]
    for member in present:
        if member.expect not in (0, expect):
            reason = f"{member.name} expects {member.expect} servers, this one {expect}"
            return Conflict(f"{reason}; all must expect the same number")
        if member.bootstrap:
            return Conflict(f"{member.name} is in bootstrap mode, and begins a cluster by itself")
    voter_count = sum(not member.read_replica for member in present)
    if voter_count < expect or all(member.id != own_id for member in present):
        return Wait(voter_count)
    others = tuple(member for member in present if member.id != own_id)
    return Ready(first_configuration(present), others)


def first_configuration(members: Sequence[ServerMember]) -> Configuration:
    """The membership to begin with: equal for everyone who sees the same servers."""
    servers = (
        Server(NON_VOTER if member.read_replica else VOTER, member.id, member.address)
        for member in members
    )
    return Configuration(tuple(sorted(servers, key=lambda server: server.id)))


class Bootstrap:
    """Runs on a server from its start until its log has begun, by itself or through a leader."""

    def __init__(
        self,
        own: Server,
        mode: Mode,
        *,
        members: Callable[[], Sequence[ServerMember]],
        consensus: Consensus,
        ask: Ask,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._own = own
        self._mode = mode
        self._members = members
        self._consensus = consensus
        self._ask = ask
        self._sleep = sleep
        self._changed = asyncio.Event()
        self._last_conflict = ""

    def members_changed(self) -> None:
        """Look at the members again, or at the own log."""
        self._changed.set()

    async def run(self) -> None:
        """Until there is a log; at once for a server that only waits to be added."""
        if self._has_log:
            return
        if self._mode.alone:
            await self._begin(Configuration((self._own,)))
            return
        if self._own.suffrage != VOTER or not self._mode.expect:
            _log.info("waiting for a leader to add this server")
            return
        while not self._has_log:
            self._changed.clear()
            if await self._attempt():
                return
            await self._changed.wait()

    @property
    def _has_log(self) -> bool:
        return self._consensus.last_index > 0

    async def _attempt(self) -> bool:
        """One look at the members; True when there is nothing left to do."""
        seen = look(self._members(), self._own.id, self._mode.expect)
        match seen:
            case Wait():
                _log.info("waiting for servers", found=seen.found, expected=self._mode.expect)
                return False
            case Conflict():
                if seen.reason != self._last_conflict:
                    _log.error("no cluster can begin", reason=seen.reason)
                self._last_conflict = seen.reason
                return False
            case Ready():
                return await self._begin_with(seen)

    async def _begin_with(self, ready: Ready) -> bool:
        for member in ready.others:
            peers = await self._peers_of(member)
            if self._has_log:
                return True
            if peers is None:
                _log.warning("no cluster begins: a server gives no answer", server=member.name)
                asyncio.get_running_loop().call_later(LOOK_INTERVAL_S, self._changed.set)
                return False
            if peers:
                _log.info("waiting to be added to the cluster there is", server=member.name)
                return True
        await self._begin(ready.configuration)
        return True

    async def _peers_of(self, member: ServerMember) -> Sequence[str] | None:
        """The addresses of the cluster that a server belongs to; None without an answer."""
        host, port = split_address(member.address)
        server = ServerAddress(id=member.id, name=member.name, host=host, port=port)
        pause_s = PAUSE_S_FIRST
        for attempt in range(ATTEMPTS_MAX):
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    peers: Sequence[str] = await self._ask(
                        server, StatusPeers(consistency=Consistency.STALE)
                    )
                    return peers
            except (Unanswered, TimeoutError) as error:
                _log.warning("server not asked yet", server=member.name, error=str(error))
            if attempt + 1 < ATTEMPTS_MAX:
                await self._sleep(pause_s)
                pause_s *= 2
            if self._has_log:
                break
        return None

    async def _begin(self, configuration: Configuration) -> None:
        try:
            has_begun = await self._consensus.bootstrap(configuration)
        except RaftError as error:
            _log.error("the cluster did not begin", error=str(error))
            return
        if has_begun:
            _log.info("cluster begun", servers=[server.id for server in configuration.servers])
