"""The leader's care for the servers: the log's members follow gossip, and autopilot's rules.

    gossip changes, each minute ─► server_changes ─┐
    every 2 s: ask all servers ─► autopilot_health ─► autopilot, every 10 s ─► propose_configuration
                                        └─► what /v1/operator/autopilot shows        force-leave

It runs while this server leads and begins anew with each leadership. Changes of the membership are
compare-and-set: what was decided about another membership is refused, and decided again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, assert_never

import structlog

from agent.membership.tags import server_of
from agent.rpc.endpoints.raft_stats import RaftStats, RaftStatsGet
from agent.rpc.pool import ServerAddress
from agent.rpc.request import Consistency
from agent.server.autopilot import (
    Action,
    Demote,
    ForceLeave,
    HandOver,
    Promote,
    Remove,
    decide,
    servers_after,
)
from agent.server.autopilot_health import Assessment, Observed, assess
from agent.server.consensus import Consensus, find
from agent.server.server_calls import Ask, Unanswered
from agent.server.server_changes import next_change
from agent.server.server_members import ServerMember, split_address
from catalog.errors import CatalogError
from catalog.rows.system import AutopilotConfiguration
from gossip.core.effects import Change
from gossip.core.types import Member, Status
from raft.entries import NON_VOTER, Server
from raft.errors import MembershipBusy, RaftError

HEALTH_INTERVAL_S: Final = 2.0  # Consul's
STATS_TIMEOUT_S: Final = 1.0  # Consul's; who is slower is not healthy
ROUND_INTERVAL_S: Final = 10.0  # Consul's; after an action the next look acts again
RECONCILE_INTERVAL_S: Final = 60.0  # Consul's; changes of members come at once
CHANGES_MAX: Final = 64  # of the membership in one pass; more servers than anybody has

_log = structlog.get_logger("agent.server")


class AutopilotLoop:
    """``members`` are gossip's, ``settings`` the replicated ones, ``now_s`` a monotonic clock.

    ``force_leave(name)`` tells gossip that a failed member left; it raises CatalogError.
    """

    def __init__(  # noqa: PLR0913 - everything that the edge gives, named
        self,
        own_id: str,
        *,
        members: Callable[[], tuple[ServerMember, ...]],
        consensus: Consensus,
        ask: Ask,
        force_leave: Callable[[str], Awaitable[None]],
        settings: Callable[[], AutopilotConfiguration],
        now_s: Callable[[], float],
    ) -> None:
        self._own_id = own_id
        self._members = members
        self._consensus = consensus
        self._ask = ask
        self._force_leave = force_leave
        self._settings = settings
        self._now_s = now_s
        self._changed = asyncio.Event()
        self._forgotten: set[str] = set()
        self._told: dict[str, frozenset[str]] = {}
        self._reconcile_at_s = self._round_at_s = 0.0
        self.assessment: Assessment | None = None
        """The last look of this leadership; None while another server leads."""

    def members_changed(self, change: Change, members: Iterable[Member]) -> None:
        """These members changed in gossip; to be called at all times, whoever leads."""
        ids = {server.id for member in members if (server := server_of(member)) is not None}
        if not ids:
            return  # clients
        if change is Change.REAP:
            self._forgotten |= {s.id for s in self._consensus.configuration.servers if s.id in ids}
        else:
            self._forgotten -= ids
        self._reconcile_at_s = 0.0
        self._changed.set()

    async def run(self) -> None:
        """Care for the servers until cancelled: while this server leads."""
        self._reconcile_at_s = self._round_at_s = 0.0
        # Before the others were asked: a server that is alone is healthy from the beginning.
        self.assessment = self._assess(None, {self._own_id: self._own_stats()})
        try:
            while True:
                self._changed.clear()
                await self._turn()
                try:
                    async with asyncio.timeout(HEALTH_INTERVAL_S):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            self.assessment = None

    async def _turn(self) -> None:
        if self._now_s() >= self._reconcile_at_s:
            self._reconcile_at_s = self._now_s() + RECONCILE_INTERVAL_S
            await self._follow_gossip()
        index = self._consensus.configuration_index
        await self._look()
        if self._now_s() >= self._round_at_s:
            self._round_at_s = self._now_s() + ROUND_INTERVAL_S
            await self._act(index)

    # The log's members follow gossip.

    async def _follow_gossip(self) -> None:
        strangers = await self._strangers()
        for _ in range(CHANGES_MAX):
            plan = next_change(
                self._consensus.configuration,
                self._members(),
                own_id=self._own_id,
                forgotten=self._forgotten,
                strangers=strangers,
            )
            self._tell("server not added", plan.refused)
            if plan.change is None:
                return
            change, index = plan.change, self._consensus.configuration_index
            if not await self._propose(change.servers, index):
                self._reconcile_at_s = 0.0
                return
            _log.info("member of the log changed", server=change.subject, change=change.why)
            self._round_at_s = 0.0  # what is new may replace what is dead

    async def _strangers(self) -> frozenset[str]:
        """Ids of servers that gossip brought and that say that they are of another cluster."""
        own = self._consensus.cluster_id.hex()
        found = set()
        for member in self._members():
            is_new = find(self._consensus.configuration, member.id) is None
            if is_new and member.status is Status.ALIVE:
                stats = await self._ask_stats(Server(NON_VOTER, member.id, member.address))
                if stats is not None and stats.cluster not in ("", own):
                    found.add(member.id)
        return frozenset(found)

    # Autopilot.

    async def _look(self) -> None:
        own = self._own_stats()  # before the others': they may be ahead of it, never behind
        servers = [s for s in self._consensus.configuration.servers if s.id != self._own_id]
        async with asyncio.TaskGroup() as questions:
            asked = [questions.create_task(self._ask_stats(server)) for server in servers]
        told = {server.id: task.result() for server, task in zip(servers, asked, strict=True)}
        stats = {server_id: found for server_id, found in told.items() if found is not None}
        self.assessment = self._assess(self.assessment, {self._own_id: own, **stats})

    def _assess(self, previous: Assessment | None, stats: dict[str, RaftStats]) -> Assessment:
        observed = Observed(
            configuration=self._consensus.configuration,
            members=self._members(),
            stats=stats,
            leader_id=self._own_id,
        )
        return assess(previous, observed, self._settings(), self._now_s())

    def _own_stats(self) -> RaftStats:
        return RaftStats(
            last_contact_ns=0,
            last_term=self._consensus.last_term,
            last_index=self._consensus.last_index,
            cluster=self._consensus.cluster_id.hex(),
        )

    async def _ask_stats(self, server: Server) -> RaftStats | None:
        host, port = split_address(server.address)
        asked = ServerAddress(id=server.id, name=server.id, host=host, port=port)
        try:
            async with asyncio.timeout(STATS_TIMEOUT_S):
                stats: RaftStats = await self._ask(
                    asked, RaftStatsGet(consistency=Consistency.STALE)
                )
                return stats
        except (Unanswered, TimeoutError) as error:
            _log.debug("server told nothing of itself", server=server.id, error=str(error))
            return None

    async def _act(self, index: int) -> None:
        assert self.assessment is not None, "there was a look before"
        decision = decide(self.assessment, self._members(), self._settings(), self._now_s())
        self._tell("dead server kept", (decision.blocked,) if decision.blocked else ())
        action = decision.action
        if action is None:
            return
        servers = tuple(condition.server for condition in self.assessment.conditions)
        match action:
            case Promote() | Demote() | Remove():
                if not await self._propose(servers_after(servers, action), index):
                    self._round_at_s = 0.0  # most likely another change was under way
                    return
            case ForceLeave():
                try:
                    await self._force_leave(action.name)
                except CatalogError as error:
                    _log.warning("failed server not removed", error=str(error))
                    return
            case HandOver():
                try:
                    await self._consensus.transfer(action.target_id)
                except RaftError as error:
                    _log.warning("leadership not handed over", error=str(error))
                    return
            case _:
                assert_never(action)
        self._round_at_s = 0.0  # act again after the next look
        _log.info("autopilot acted", action=type(action).__name__, server=_subject(action))

    # Both.

    async def _propose(self, servers: Sequence[Server], index: int) -> bool:
        """Change the members that ``index`` brought; False when it was refused or is unknown."""
        if not self._consensus.is_leader:
            return False
        try:
            await self._consensus.propose_configuration(servers, index)
        except MembershipBusy as error:
            _log.info("members of the log not changed yet", reason=str(error))
            return False
        except RaftError as error:
            _log.warning("members of the log not changed yet", error=str(error))
            return False
        return True

    def _tell(self, event: str, reasons: Sequence[str]) -> None:
        """Log what cannot be done, once for as long as it stays so."""
        for reason in reasons:
            if reason not in self._told.get(event, ()):
                _log.warning(event, reason=reason)
        self._told[event] = frozenset(reasons)


def _subject(action: Action) -> str:
    return action.target_id if isinstance(action, HandOver) else action.server_id
