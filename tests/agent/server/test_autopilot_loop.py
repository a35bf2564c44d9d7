"""The leader's care for the servers; gossip, log and answers are under the test's hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from agent.server import autopilot_loop
from agent.server.autopilot_loop import AutopilotLoop
from catalog.errors import CatalogError
from catalog.rows.system import AutopilotConfiguration
from gossip.core.effects import Change
from gossip.core.types import Status
from raft.entries import Configuration
from raft.errors import MembershipBusy, OutcomeUnknown
from tests.agent.harness import until
from tests.agent.server.fleet import Log, Others, following, in_gossip, in_short, members_of, seen


class Ward:
    """Server a leads; who is in ``members`` is in gossip, who is in ``others`` answers."""

    def __init__(self, configuration: Configuration, alive: str, answering: str) -> None:
        self.log = Log("a", configuration)
        self.members = {i: seen(i) for i in alive}
        self.others = Others({i: following() for i in answering})
        self.now_s = 100.0
        self.force_left: list[str] = []
        self.loop = AutopilotLoop(
            "a",
            members=lambda: tuple(self.members[i] for i in sorted(self.members)),
            consensus=self.log,
            ask=self.others.ask,
            force_leave=self.force_leave,
            settings=AutopilotConfiguration,
            now_s=lambda: self.now_s,
        )

    async def force_leave(self, name: str) -> None:
        self.force_left.append(name)
        if name == "srv-z":
            raise CatalogError("it is unknown")
        self.become(name[-1], Status.LEFT)

    def become(self, server_id: str, status: Status) -> None:
        """A server's status changes in gossip."""
        known = self.members.get(server_id, seen(server_id))
        self.members[server_id] = msgspec.structs.replace(known, status=status)
        changes = {Status.ALIVE: Change.JOIN, Status.FAILED: Change.FAILED}
        change = changes.get(status, Change.LEAVE)
        self.loop.members_changed(change, [in_gossip(server_id, status)])

    def reap(self, server_id: str) -> None:
        """Gossip forgets a server."""
        del self.members[server_id]
        self.loop.members_changed(Change.REAP, [in_gossip(server_id, Status.FAILED)])

    @property
    def servers(self) -> str:
        return in_short(self.log.configuration.servers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.loop.run())
            try:
                yield
            finally:
                task.cancel()

    async def wait(self, seconds: float, done: Callable[[], bool]) -> None:
        """Let time pass until something is so."""
        self.now_s += seconds
        await until(done)


@pytest.fixture(autouse=True)
def quick_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns follow each other at once; what they do goes by the test's clock."""
    monkeypatch.setattr(autopilot_loop, "HEALTH_INTERVAL_S", 0.0)


async def test_alone_it_is_healthy_from_the_first_moment():
    ward = Ward(members_of("a"), "a", "")
    async with ward.running():
        await asyncio.sleep(0)
        assert ward.loop.assessment.is_healthy

    assert ward.loop.assessment is None


async def test_new_servers_come_in_without_a_vote_and_get_one_by_one():
    ward = Ward(members_of("a"), "a", "bc")
    async with ward.running():
        # Autopilot has run for longer than a new server has to be watched.
        await until(lambda: ward.loop.assessment is not None)
        ward.now_s += 60.0
        ward.become("b", Status.ALIVE)
        ward.become("c", Status.ALIVE)
        await until(lambda: ward.servers == "a+bc")
        await until(lambda: ward.loop.assessment.is_healthy and len(ward.others.asked) > 4)
        await ward.wait(20.0, lambda: ward.servers == "abc")

    assert ["a+b", "a+bc", "ab+c", "abc"] == ward.log.proposed


async def test_a_silent_server_is_not_promoted():
    ward = Ward(members_of("a"), "ab", "")
    async with ward.running():
        await ward.wait(60.0, lambda: len(ward.others.asked) > 8)

    assert "a+b" == ward.servers
    assert 8 < ward.others.asked.count("b")


async def test_a_server_of_another_cluster_stays_out_until_it_begins_anew():
    ward = Ward(members_of("a"), "ab", "")
    ward.others.answers["b"] = following(cluster_id=b"another")
    async with ward.running():
        await until(lambda: ward.loop.assessment is not None)
        assert [] == ward.log.proposed
        ward.others.answers["b"] = following(0, cluster_id=b"")
        ward.become("b", Status.ALIVE)
        await until(lambda: ward.servers == "a+b")


async def test_a_failed_voter_is_told_to_leave_and_then_removed():
    ward = Ward(members_of("abc"), "abc", "bc")
    async with ward.running():
        await until(lambda: len(ward.others.asked) > 4)
        ward.others.answers.pop("c")
        ward.become("c", Status.FAILED)
        await ward.wait(20.0, lambda: ward.servers == "ab")

    assert (["srv-c"], ["ab"]) == (ward.force_left, ward.log.proposed)


async def test_a_server_that_leaves_is_removed_at_once():
    ward = Ward(members_of("abc"), "abc", "bc")
    async with ward.running():
        await until(lambda: ward.loop.assessment is not None)
        ward.become("b", Status.LEFT)
        await until(lambda: ward.servers == "ac")

    assert [] == ward.force_left


async def test_a_server_that_gossip_forgot_is_removed_also_by_a_later_leader():
    ward = Ward(members_of("abc"), "abc", "b")
    ward.reap("c")
    async with ward.running():
        await until(lambda: ward.servers == "ab")


async def test_a_server_that_gossip_forgot_and_met_again_stays():
    ward = Ward(members_of("abc"), "abc", "bc")
    ward.reap("c")
    ward.become("c", Status.ALIVE)
    async with ward.running():
        await until(lambda: len(ward.others.asked) > 4)

    assert [] == ward.log.proposed


async def test_a_refused_change_is_tried_again():
    ward = Ward(members_of("a"), "ab", "")
    ward.log.refusals = [MembershipBusy("a change is under way"), OutcomeUnknown()]
    async with ward.running():
        await until(lambda: ward.servers == "a+b")


async def test_what_was_decided_about_another_membership_is_refused():
    ward = Ward(members_of("ab", "c"), "abc", "b")

    def removed_meanwhile() -> object:
        if ward.log.configuration_index == 1:
            ward.log.configuration_index = 50
        return following()

    ward.others.answers["c"] = removed_meanwhile
    async with ward.running():
        await until(lambda: ward.servers == "abc")

    assert ["abc"] == ward.log.proposed


async def test_a_server_that_cannot_be_told_to_leave_does_not_end_the_care():
    ward = Ward(members_of("a"), "a", "")
    async with ward.running():
        await until(lambda: ward.loop.assessment is not None)
        ward.become("z", Status.FAILED)
        await ward.wait(20.0, lambda: len(ward.force_left) == 1)
        await ward.wait(20.0, lambda: len(ward.force_left) == 2)
        ward.become("b", Status.ALIVE)
        await until(lambda: ward.servers == "a+b")


async def test_a_replica_that_leads_hands_over():
    ward = Ward(members_of("abc"), "abc", "bc")
    ward.members["a"] = seen("a", read_replica=True)
    async with ward.running():
        await until(lambda: ward.log.transferred != [])

    assert "b" == ward.log.transferred[0]


async def test_nothing_is_proposed_once_another_server_leads():
    ward = Ward(members_of("ab"), "ab", "b")
    async with ward.running():
        await until(lambda: ward.loop.assessment is not None)
        ward.log.leader_id = "b"
        ward.become("c", Status.ALIVE)
        await until(lambda: ward.others.asked.count("b") > 4)

    assert [] == ward.log.proposed


async def test_clients_that_come_and_go_set_nothing_off():
    ward = Ward(members_of("a"), "a", "")
    client = msgspec.structs.replace(in_gossip("w"), tags={"role": "node"})

    ward.loop.members_changed(Change.JOIN, [client])

    assert not ward.loop._changed.is_set()
