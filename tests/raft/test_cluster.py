"""Three drivers over real connections: what clients were told stays true, whoever leads."""

import asyncio
from pathlib import Path

import pytest

from raft.entries import Configuration
from raft.errors import MembershipRefused, NoLeader, NotLeader, OutcomeUnknown, RaftError, StaleTerm
from raft.machine import Settings
from tests.raft.cluster import (
    CALM,
    ELECTION_TIMEOUT_S,
    NON_VOTER,
    Cluster,
    Member,
    cluster_of,
    until,
)


async def propose_somewhere(cluster: Cluster, command: bytes) -> None:
    """As a client does it: again until somebody takes it, never after an unknown outcome."""
    async with asyncio.timeout(20):
        while True:
            leader = await cluster.leader()
            try:
                await leader.driver.propose(command)
            except (NotLeader, NoLeader):
                await asyncio.sleep(0.01)
            else:
                return


@pytest.fixture(params=["memory", "disk"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return None if request.param == "memory" else tmp_path


async def test_three_servers_elect_one_and_replicate(directory: Path | None) -> None:
    async with cluster_of(3, directory) as cluster:
        leader = await cluster.leader()
        for number in range(50):
            await leader.driver.propose(b"%d" % number)

        assert [b"%d" % number for number in range(50)] == await cluster.agreed()
        assert 1 == sum(member.driver.is_leader for member in cluster.members)
        assert {leader.id} == {member.driver.leader_id for member in cluster.members}
        assert {leader.address} == {member.driver.leader_address for member in cluster.members}
        assert leader.driver.last_contact_s == 0.0
        for follower in await cluster.followers():
            assert follower.driver.last_contact_s < 10 * ELECTION_TIMEOUT_S
            assert follower.driver.has_applied_since_boot
            status = leader.driver.peer_status(follower.id)
            assert status is not None
            assert status.match_index == leader.driver.last_index


async def test_a_follower_refuses_and_names_the_leader() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        (follower, _) = await cluster.followers()
        await until(lambda: follower.driver.leader_id == leader.id)

        with pytest.raises(NotLeader) as caught:
            follower.driver.submit(b"x", lambda *_: None)

        assert (caught.value.leader_id, caught.value.leader_address) == (leader.id, leader.address)


async def test_a_forwarded_proposal_of_another_term_is_refused() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()

        with pytest.raises(StaleTerm):
            await leader.driver.propose(b"x", leader.driver.term - 1)
        await leader.driver.propose(b"y", leader.driver.term)

        assert await cluster.agreed() == [b"y"]


async def test_another_leads_after_a_kill_and_nothing_acknowledged_is_lost(
    directory: Path | None,
) -> None:
    async with cluster_of(3, directory) as cluster:
        for number in range(20):
            await propose_somewhere(cluster, b"%d" % number)
        first = await cluster.leader()
        await first.stop()

        second = await cluster.leader(other_than=first)
        for number in range(20, 40):
            await propose_somewhere(cluster, b"%d" % number)

        assert second.driver.term > first.driver.term
        assert [b"%d" % number for number in range(40)] == await cluster.agreed()


async def test_a_restarted_server_catches_up_from_its_disk(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        await propose_somewhere(cluster, b"before")
        (follower, _) = await cluster.followers()
        await follower.stop()
        await propose_somewhere(cluster, b"meanwhile")

        await follower.restart()

        assert await cluster.agreed() == [b"before", b"meanwhile"]


async def test_a_whole_cluster_comes_back_from_its_disks(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        for number in range(30):
            await propose_somewhere(cluster, b"%d" % number)
        for member in cluster.members:
            await member.stop()
        for member in cluster.members:
            await member.restart()

        await cluster.leader()
        assert [b"%d" % number for number in range(30)] == await cluster.agreed()


async def test_a_leader_that_is_cut_off_tells_that_the_outcome_is_unknown() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        epoch = leader.driver.epoch
        leader.is_cut_off = True
        outcome = asyncio.get_running_loop().create_task(leader.driver.propose(b"lost"))

        with pytest.raises(OutcomeUnknown, match="leadership lost"):
            await asyncio.wait_for(outcome, 10)
        with pytest.raises(NoLeader):
            await leader.driver.propose(b"refused")
        await propose_somewhere(cluster, b"kept")
        leader.is_cut_off = False

        assert await cluster.agreed() == [b"kept"]
        assert leader.driver.epoch > epoch
        told = [(change.is_leader, change.epoch) for change in leader.changes]
        assert told == [(True, epoch), (False, epoch + 1)]


async def test_reads_wait_for_the_newest_state_at_every_server() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        for number in range(20):
            await leader.driver.propose(b"%d" % number)
            for member in cluster.members:
                await member.driver.read_index(lease_allowed=number % 2 == 0)
                assert b"%d" % number in member.commands


async def test_a_server_without_a_quorum_serves_no_reads() -> None:
    async with cluster_of(3) as cluster:
        leader = await cluster.leader()
        leader.is_cut_off = True

        with pytest.raises(RaftError):
            await asyncio.wait_for(leader.driver.read_index(lease_allowed=False), 10)
        await until(lambda: not leader.driver.is_leader)
        assert not leader.driver.can_read_now()
        with pytest.raises(NoLeader):
            await leader.driver.barrier()


async def test_a_transfer_makes_the_named_server_lead() -> None:
    async with cluster_of(3, settings=CALM) as cluster:
        leader = await cluster.leader()
        (target, _) = await cluster.followers()

        assert await asyncio.wait_for(leader.driver.transfer(target.id), 10) == target.id

        assert await cluster.leader(other_than=leader) is target
        with pytest.raises(NotLeader):
            await leader.driver.transfer()


async def test_a_server_is_added_promoted_and_removed(directory: Path | None) -> None:
    async with cluster_of(1, directory, spare=1, settings=CALM) as cluster:
        leader, joiner = cluster.members
        for number in range(20):
            await leader.driver.propose(b"%d" % number)

        index = await leader.driver.propose_configuration(
            (leader.named(), joiner.named(NON_VOTER)), leader.driver.configuration_index
        )
        assert [b"%d" % number for number in range(20)] == await cluster.agreed()
        assert joiner.driver.cluster_id == leader.driver.cluster_id
        assert index == joiner.driver.configuration_index

        await leader.driver.propose_configuration((leader.named(), joiner.named()))
        await leader.driver.propose(b"both")
        assert (await cluster.agreed())[-1] == b"both"

        await leader.driver.propose_configuration((leader.named(),))
        await leader.driver.propose(b"alone")
        assert joiner.commands[-1] == b"both"
        assert leader.driver.configuration == Configuration((leader.named(),))


async def test_a_leader_that_removes_itself_is_told_and_another_leads() -> None:
    async with cluster_of(3, settings=CALM) as cluster:
        leader = await cluster.leader()
        others = tuple(member.named() for member in await cluster.followers())

        await asyncio.wait_for(leader.driver.propose_configuration(others), 10)

        second = await cluster.leader(other_than=leader)
        await second.driver.propose(b"without it")
        assert second.driver.configuration == Configuration(others)
        with pytest.raises(RaftError):
            leader.driver.submit(b"x", lambda *_: None)


async def test_voters_are_exchanged_for_others_in_one_step() -> None:
    async with cluster_of(3, spare=2, settings=CALM) as cluster:
        leader = await cluster.leader()
        await leader.driver.propose(b"before")
        # They are in contact before they vote, or the leader might miss a quorum of them at once.
        spare = [member.named(NON_VOTER) for member in cluster.members[3:]]
        await leader.driver.propose_configuration((*leader.driver.configuration.servers, *spare))
        await cluster.agreed()
        wanted = (leader.named(), *(member.named() for member in cluster.members[3:]))

        await asyncio.wait_for(leader.driver.propose_configuration(wanted), 10)
        await until(lambda: not leader.driver.configuration.is_joint)
        await leader.driver.propose(b"after")

        assert leader.driver.configuration == Configuration(wanted)
        assert await cluster.agreed(leader, *cluster.members[3:]) == [b"before", b"after"]


async def test_a_change_from_another_membership_than_expected_is_refused() -> None:
    async with cluster_of(1) as cluster:
        (leader,) = cluster.members

        with pytest.raises(MembershipRefused, match="not the one that was expected"):
            await leader.driver.propose_configuration((leader.named(),), previous_index=77)
        with pytest.raises(MembershipRefused, match="not valid"):
            await leader.driver.propose_configuration(())


async def test_a_follower_far_behind_gets_a_snapshot(tmp_path: Path) -> None:
    settings = Settings(election_timeout_s=ELECTION_TIMEOUT_S, trailing_logs=1)
    async with cluster_of(3, tmp_path, settings=settings) as cluster:
        (follower, _) = await cluster.followers()
        await follower.stop()
        for number in range(500):
            await propose_somewhere(cluster, b"%d" % number * 100)
        for member in cluster.running():
            await member.driver.snapshot()
        await propose_somewhere(cluster, b"after")

        await follower.restart()

        assert len(await cluster.agreed()) == 501
        assert follower.driver.last_snapshot_index > 0
        await follower.restart()
        assert len(await cluster.agreed()) == 501


async def test_a_server_added_to_a_log_in_memory_gets_a_snapshot() -> None:
    async with cluster_of(1, spare=1, settings=CALM) as cluster:
        leader, joiner = cluster.members
        for number in range(3000):
            leader.driver.submit(b"%d" % number * 100, lambda *_: None)
        await leader.driver.barrier()

        await leader.driver.propose_configuration((leader.named(), joiner.named(NON_VOTER)))

        assert len(await cluster.agreed()) == 3000
        assert joiner.driver.last_snapshot_index > 0


async def test_a_restored_archive_reaches_every_server(directory: Path | None) -> None:
    async with cluster_of(3, directory, settings=CALM) as cluster:
        leader = await cluster.leader()
        await leader.driver.propose(b"kept")
        file, _ = await leader.driver.save_archive()
        with file:
            archive = file.read()
        for number in range(20):
            await leader.driver.propose(b"gone %d" % number)
        await cluster.agreed()
        (follower, _) = await cluster.followers()
        with pytest.raises(NotLeader):
            await follower.driver.restore_archive(archive)
        before_index = leader.driver.last_index

        await asyncio.wait_for(leader.driver.restore_archive(archive), 10)
        await leader.driver.propose(b"after")

        assert await cluster.agreed() == [b"kept", b"after"]
        assert leader.driver.last_index == before_index + 3  # the snapshot, a no-op, the command


async def test_two_overlapping_bootstraps_never_form_one_cluster(tmp_path: Path) -> None:
    """Two servers that saw other member lists write other first entries at the same place."""
    members = [Member(number, tmp_path) for number in range(1, 5)]
    first = Configuration
    try:
        for member in members:
            await member.listen()
        names = [member.named() for member in members]
        for member in members[:2]:
            await member.driver.start(first((names[0], names[1], names[2])))
        for member in members[2:]:
            await member.driver.start(first((names[1], names[2], names[3])))
        await until(lambda: bool(members[0].driver.is_leader or members[1].driver.is_leader))
        await until(lambda: bool(members[2].driver.is_leader or members[3].driver.is_leader))

        assert members[0].driver.cluster_id == members[1].driver.cluster_id
        assert members[1].driver.cluster_id != members[2].driver.cluster_id
        assert members[0].driver.leader_id not in {members[2].id, members[3].id}
    finally:
        for member in members:
            await member.stop()
