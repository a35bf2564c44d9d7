"""How a server leaves the others with a quorum: it hands over, says goodbye, and waits to be out.

    hand_over      a leader gives the leadership to a voter that is alive; where the only ones alive
                   have no vote yet, it waits for autopilot to give them one
    (goodbye)      gossip: the leader that is left takes this server out of the log
    until_removed  the log must know before this server is silent, or it counts as a failed voter;
                   who was made the leader meanwhile, by another one that leaves, hands over again

Source: Consul, Server.Leave; consul#3472, consul#3151 for the wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias, assert_never

import msgspec
import structlog

from agent.server.autopilot import without
from agent.server.consensus import Consensus, find
from agent.server.server_members import ServerMember
from gossip.core.types import Status
from raft.entries import VOTER, Configuration
from raft.errors import RaftError

REMOVAL_WAIT_S: Final = 5.0  # Consul's; then the others have to do without a word
REMOVAL_POLL_S: Final = 0.05  # Consul's
VOTER_WAIT_S: Final = 12.0  # autopilot's stabilization time, and until its next look
VOTER_POLL_S: Final = 0.5  # how soon a promotion or a new member is noticed

_log = structlog.get_logger("agent.server")


class Go(msgspec.Struct, frozen=True):
    """Nothing to hand over. ``warning``: what will be wrong afterwards; empty: nothing."""

    warning: str = ""


class GiveTo(msgspec.Struct, frozen=True):
    """Voters that are alive, by id: one of them is to lead."""

    target_ids: tuple[str, ...]


class AwaitVoter(msgspec.Struct, frozen=True):
    """Names of the servers that are alive and have no vote yet."""

    names: tuple[str, ...]


Step: TypeAlias = Go | GiveTo | AwaitVoter


def next_step(
    configuration: Configuration,
    members: Sequence[ServerMember],
    *,
    own_id: str,
    is_leader: bool,
) -> Step:
    """What a server that wants to leave has to do before its goodbye."""
    if not is_leader:
        return Go()
    others = [server for server in configuration.servers if server.id != own_id]
    if not others:
        return Go()
    alive = {member.id: member for member in members if member.status is Status.ALIVE}
    heirs = tuple(s.id for s in others if s.suffrage == VOTER and s.id in alive)
    if heirs:
        return GiveTo(heirs)
    waiting = tuple(
        alive[server.id].name
        for server in others
        if server.id in alive and not alive[server.id].read_replica
    )
    if waiting:
        return AwaitVoter(waiting)
    return Go("no other server that votes is alive: there will be no leader")


class Departure:
    """Of one server. ``now_s`` is a monotonic clock."""

    def __init__(
        self,
        own_id: str,
        *,
        members: Callable[[], Sequence[ServerMember]],
        consensus: Consensus,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._own_id = own_id
        self._members = members
        self._consensus = consensus
        self._now_s = now_s
        self._sleep = sleep

    async def hand_over(self) -> bool:
        """Before the goodbye: lead no more; False when there is nobody else who could."""
        deadline_s = self._now_s() + VOTER_WAIT_S
        has_warned = False
        while True:
            consensus = self._consensus
            step = next_step(
                consensus.configuration,
                self._members(),
                own_id=self._own_id,
                is_leader=consensus.is_leader,
            )
            match step:
                case Go():
                    if step.warning:
                        _log.warning("leaving all the same", reason=step.warning)
                    return not consensus.is_leader
                case GiveTo():
                    await self._give_to(step.target_ids)
                    return True
                case AwaitVoter():
                    if not has_warned:
                        has_warned = True
                        _log.warning("leaving once a new server votes", waiting=list(step.names))
                    if self._now_s() >= deadline_s:
                        _log.warning("leaving without a voter left", waiting=list(step.names))
                        return False
                case _:
                    assert_never(step)
            await self._sleep(VOTER_POLL_S)

    async def until_removed(self) -> None:
        """After the goodbye: wait until the log knows; at once for who is alone."""
        limit_s = self._now_s() + VOTER_WAIT_S + REMOVAL_WAIT_S
        deadline_s = self._now_s() + REMOVAL_WAIT_S
        while self._is_member():
            if self._consensus.is_leader:
                if not await self.hand_over():
                    return
                deadline_s = min(self._now_s() + REMOVAL_WAIT_S, limit_s)
            if self._now_s() >= deadline_s:
                _log.warning("leaving without being removed from the log")
                return
            await self._sleep(REMOVAL_POLL_S)

    def _is_member(self) -> bool:
        configuration = self._consensus.configuration
        is_alone = len(configuration.servers) <= 1
        return not is_alone and find(configuration, self._own_id) is not None

    async def _give_to(self, target_ids: Sequence[str]) -> None:
        for target_id in target_ids:
            try:
                await self._consensus.transfer(target_id)
            except RaftError as error:
                _log.warning("leadership not handed over", server=target_id, error=str(error))
            else:
                return
        # The others elect a leader once this one is out, which it can see to itself.
        remaining = without(self._consensus.configuration.servers, self._own_id)
        try:
            await self._consensus.propose_configuration(
                remaining, self._consensus.configuration_index
            )
        except RaftError as error:
            _log.warning("not removed from the log yet", error=str(error))
