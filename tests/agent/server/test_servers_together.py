"""Servers with real logs that decide themselves who belongs to them; only gossip is played.

From no cluster at all to a cluster of three, of four, without its dead, without those that left.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.rpc.endpoints.raft_stats import RaftStats, RaftStatsGet
from agent.rpc.pool import ServerAddress
from agent.rpc.request import Request
from agent.server import autopilot_loop, departure
from agent.server.autopilot_loop import AutopilotLoop
from agent.server.bootstrap import Bootstrap, Mode
from agent.server.consensus import find
from agent.server.departure import Departure
from agent.server.server_calls import Unanswered
from agent.server.server_members import ServerMember
from catalog.duration import MILLISECOND, SECOND
from catalog.rows.system import AutopilotConfiguration
from gossip.core.effects import Change
from gossip.core.types import Status
from raft.entries import Configuration
from raft.leadership import LeadershipChange
from tests.agent.server.fleet import in_gossip
from tests.raft.cluster import Member, until

SETTINGS = AutopilotConfiguration(server_stabilization_time=300 * MILLISECOND)


@pytest.fixture(autouse=True)
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autopilot_loop, "HEALTH_INTERVAL_S", 0.05)
    monkeypatch.setattr(autopilot_loop, "ROUND_INTERVAL_S", 0.1)
    monkeypatch.setattr(departure, "VOTER_POLL_S", 0.02)


class Servers:
    """Each server's log, bootstrap and autopilot; ``status`` is what gossip says of each."""

    def __init__(self, count: int) -> None:
        self.members = [Member(number) for number in range(1, count + 1)]
        self.status: dict[str, Status] = {}
        self.down: set[str] = set()
        self._caring: dict[str, asyncio.Task[None]] = {}
        self._bootstraps: list[Bootstrap] = []
        self._loops: list[AutopilotLoop] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def gossip(self) -> tuple[ServerMember, ...]:
        return tuple(
            ServerMember(
                id=m.id, name=m.id[-1], address=m.address, status=self.status[m.id], expect=3
            )
            for m in self.members
            if m.id in self.status
        )

    async def start(self, member: Member, begun_with: Configuration | None = None) -> None:
        """A server starts and is in gossip."""
        await member.driver.start(begun_with)
        loop = AutopilotLoop(
            member.id,
            members=self.gossip,
            consensus=member.driver,
            ask=self.ask,
            force_leave=self._force_leave,
            settings=lambda: SETTINGS,
            now_s=time.monotonic,
        )
        self._loops.append(loop)

        def lead(change: LeadershipChange) -> None:
            if task := self._caring.pop(member.id, None):
                task.cancel()
            if change.is_leader:
                self._caring[member.id] = self._run(loop.run())

        member.driver.on_leadership(lead)
        bootstrap = Bootstrap(
            member.named(),
            Mode(expect=3),
            members=self.gossip,
            consensus=member.driver,
            ask=self.ask,
        )
        self._bootstraps.append(bootstrap)
        self._run(bootstrap.run())
        self.say(member, Status.ALIVE)

    def say(self, member: Member, status: Status) -> None:
        """Gossip says something new of a server."""
        self.status[member.id] = status
        for bootstrap in self._bootstraps:
            bootstrap.members_changed()
        for loop in self._loops:
            loop.members_changed(Change.UPDATE, [in_gossip(member.id, status)])

    async def kill(self, member: Member) -> None:
        await self._stop(member)
        self.say(member, Status.FAILED)

    async def _stop(self, member: Member) -> None:
        self.down.add(member.id)
        if task := self._caring.pop(member.id, None):
            task.cancel()
        await member.stop()

    async def leave(self, member: Member) -> None:
        parting = Departure(
            member.id, members=self.gossip, consensus=member.driver, now_s=time.monotonic
        )
        await parting.hand_over()
        self.say(member, Status.LEFT)
        await parting.until_removed()
        await self._stop(member)

    async def _force_leave(self, name: str) -> None:
        (member,) = (m for m in self.members if m.id.endswith(name))
        self.say(member, Status.LEFT)

    async def ask(self, server: ServerAddress, request: Request) -> object:
        (member,) = (m for m in self.members if m.id == server.id)
        await asyncio.sleep(0)
        if member.id in self.down:
            raise Unanswered("connection refused")
        driver = member.driver
        if isinstance(request, RaftStatsGet):
            contact_s = min(driver.last_contact_s, 1000.0)
            return RaftStats(
                last_contact_ns=round(contact_s * SECOND),
                last_term=driver.last_term,
                last_index=driver.last_index,
                cluster=driver.cluster_id.hex(),
            )
        return tuple(known.address for known in driver.configuration.servers)

    @property
    def leader(self) -> Member | None:
        leading = [m for m in self.members if m.id not in self.down and m.driver.is_leader]
        return max(leading, key=lambda m: m.driver.term) if leading else None

    def is_of(self, *voters: Member) -> bool:
        """Whether just these vote, and one of them leads."""
        leader = self.leader
        if leader is None or leader not in voters:
            return False
        servers = leader.driver.configuration.servers
        return leader.driver.configuration.voter_ids() == tuple(m.id for m in voters) and (
            len(servers) == len(voters)
        )

    def _run(self, work) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[list[Member]]:
        try:
            for member in self.members:
                await member.listen()
            yield self.members
        finally:
            for task in list(self._tasks):
                task.cancel()
            for member in self.members:
                await member.stop()


async def test_three_servers_that_meet_begin_one_cluster():
    servers = Servers(3)
    async with servers.listening() as members:
        for member in members:
            await servers.start(member)
        await until(lambda: servers.is_of(*members))

        assert 1 == len({member.driver.cluster_id for member in members})


async def test_a_server_that_began_with_another_list_never_becomes_one_of_them():
    servers = Servers(4)
    async with servers.listening() as members:
        three, stranger = members[:3], members[3]
        for member in three:
            await servers.start(member)
        await until(lambda: servers.is_of(*three))

        await servers.start(stranger, Configuration(tuple(m.named() for m in members)))
        await until(lambda: stranger.troubles != [])

        assert stranger.driver.cluster_id != three[0].driver.cluster_id
        assert find(servers.leader.driver.configuration, stranger.id) is None
        assert not stranger.driver.is_leader


async def test_a_server_that_comes_later_joins_them_and_gets_a_vote():
    servers = Servers(4)
    async with servers.listening() as members:
        for member in members[:3]:
            await servers.start(member)
        await until(lambda: servers.is_of(*members[:3]))

        await servers.start(members[3])
        await until(lambda: servers.is_of(*members))

        assert members[3].driver.cluster_id == members[0].driver.cluster_id


async def test_a_dead_server_is_cleaned_up_and_comes_back_with_a_vote_in_the_end():
    servers = Servers(3)
    async with servers.listening() as members:
        for member in members:
            await servers.start(member)
        await until(lambda: servers.is_of(*members))
        dead = next(m for m in members if m is not servers.leader)
        await servers.kill(dead)
        others = [m for m in members if m is not dead]
        await until(lambda: servers.is_of(*others))

        servers.down.discard(dead.id)
        await dead.listen()
        await servers.start(dead)
        await until(lambda: servers.is_of(*members))


async def test_a_dead_leader_is_cleaned_up_by_the_next_one():
    servers = Servers(3)
    async with servers.listening() as members:
        for member in members:
            await servers.start(member)
        await until(lambda: servers.is_of(*members))
        dead = servers.leader
        await servers.kill(dead)

        await until(lambda: servers.is_of(*(m for m in members if m is not dead)))


async def test_servers_leave_one_after_the_other_down_to_the_last():
    servers = Servers(3)
    async with servers.listening() as members:
        for member in members:
            await servers.start(member)
        await until(lambda: servers.is_of(*members))
        staying = list(members)
        for _ in range(2):
            gone = servers.leader
            staying.remove(gone)
            await servers.leave(gone)
            assert gone.id not in {s.id for s in gone.driver.configuration.servers}
            await until(lambda: servers.is_of(*staying))

        await servers.leave(staying[0])


async def test_old_servers_that_leave_at_once_wait_for_the_new_ones_to_vote():
    """consul#3472, consul#3151."""
    servers = Servers(6)
    async with servers.listening() as members:
        old, new = members[:3], members[3:]
        for member in old:
            await servers.start(member)
        await until(lambda: servers.is_of(*old))
        for member in new:
            await servers.start(member)

        await asyncio.gather(*(servers.leave(member) for member in old))

        await until(lambda: servers.is_of(*new))
