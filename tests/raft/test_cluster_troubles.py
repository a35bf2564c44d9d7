"""Three drivers of which one has a broken disk or a change that comes to nothing."""

import asyncio
from pathlib import Path

import pytest

from raft.durable import DurableStorage
from raft.entries import Kind
from raft.errors import MembershipBusy, OutcomeUnknown, Stopped
from raft.machine import Settings
from raft.snapshots import read_chunks
from tests.raft.cluster import CALM, cluster_of, until
from tests.raft.machines import SMALL_SEGMENT_BYTES, CopyingFiles, Journal

PATIENT = Settings(election_timeout_s=0.5)
FAILED = OSError(5, "Input/output error")


@pytest.mark.parametrize("call", ["write_at", "sync_content"])
async def test_a_leader_that_cannot_write_is_out_and_does_not_win_again(
    tmp_path: Path, call: str
) -> None:
    """hashicorp/raft#614: it only stepped down, and was elected again and again."""
    async with cluster_of(3, tmp_path, settings=PATIENT) as cluster:
        first = await cluster.leader()
        await first.driver.propose(b"kept")
        first.files.fail[call] = FAILED

        with pytest.raises(OutcomeUnknown):
            await first.driver.propose(b"lost")
        second = await cluster.leader(other_than=first)
        wins = [change.is_leader for change in first.changes].count(True)
        await asyncio.sleep(3 * PATIENT.election_timeout_s)

        assert [FAILED] == first.fatal
        assert not first.driver.can_read_now()
        assert wins == [change.is_leader for change in first.changes].count(True)
        with pytest.raises(Stopped):
            await first.driver.propose(b"refused")
        await second.driver.propose(b"after")
        first.files.fail.clear()
        first.fatal.clear()
        await first.restart()
        commands = await cluster.agreed()
        assert [b"kept", b"after"] == [command for command in commands if command != b"lost"]


async def test_a_follower_whose_sync_failed_once_acknowledges_nothing_any_more(
    tmp_path: Path,
) -> None:
    """hashicorp/raft#614, rostamlabs/rostam#94: later syncs succeed without the lost pages."""
    async with cluster_of(3, tmp_path, settings=CALM) as cluster:
        leader = await cluster.leader()
        (broken, _) = await cluster.followers()
        await leader.driver.propose(b"before")
        await cluster.agreed()
        durable_index = leader.driver.last_index
        broken.files.fail["sync_content"] = FAILED
        await leader.driver.propose(b"first")
        await until(lambda: bool(broken.fatal))
        broken.files.fail.clear()

        for number in range(20):
            await leader.driver.propose(b"%d" % number)

        status = leader.driver.peer_status(broken.id)
        assert status is not None
        assert durable_index == status.match_index
        broken.fatal.clear()
        await broken.restart()
        assert 22 == len(await cluster.agreed())


async def test_a_change_that_is_overwritten_ends_with_an_error_and_is_undone() -> None:
    """etcd-io/raft#80, cockroach#105797: a dropped change left its proposer waiting for ever."""
    async with cluster_of(3, spare=1) as cluster:
        first = await cluster.leader()
        before = first.driver.configuration
        wanted = (*before.servers, cluster.members[3].named())
        first.is_cut_off = True
        change = asyncio.get_running_loop().create_task(first.driver.propose_configuration(wanted))

        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(change, 10)
        second = await cluster.leader(other_than=first)
        first.is_cut_off = False

        await until(lambda: first.driver.applied_index >= second.driver.last_index)
        assert before == first.driver.configuration == second.driver.configuration


async def test_of_two_removals_at_once_the_second_ends_with_an_error() -> None:
    """etcd#7625, hydro-project/hydro PR 3192: apply-time checks let both through."""
    async with cluster_of(3, settings=CALM) as cluster:
        leader = await cluster.leader()
        one, other = await cluster.followers()
        loop = asyncio.get_running_loop()

        changes = [
            loop.create_task(leader.driver.propose_configuration((leader.named(), stays.named())))
            for stays in (one, other)
        ]
        outcomes = await asyncio.gather(*changes, return_exceptions=True)

        assert [int, MembershipBusy] == [type(outcome) for outcome in outcomes]
        assert {leader.id, one.id} == set(leader.driver.configuration.voter_ids())


async def test_a_crash_at_any_call_of_a_received_snapshot_leaves_a_log_without_a_hole(
    tmp_path: Path,
) -> None:
    """etcd#13766: what was received is there whole, with its index, or not at all."""
    settings = Settings(election_timeout_s=1.0, trailing_logs=1)
    async with cluster_of(3, tmp_path / "servers", settings=settings) as cluster:
        (follower, _) = await cluster.followers()
        await follower.stop()
        leader = await cluster.leader()
        for number in range(40):
            await leader.driver.propose(b"%d" % number * 1000)
        await leader.driver.snapshot()
        expected = [b"%d" % number * 1000 for number in range(40)]
        follower.files = CopyingFiles(tmp_path / "servers" / follower.id, tmp_path / "copies")

        await follower.restart()
        assert expected == await cluster.agreed()
        assert follower.driver.last_snapshot_index > 0
        follower.files.is_watching = False

    ends: set[int] = set()
    for copy in (tmp_path / "copies").iterdir():
        storage = DurableStorage(copy, follower.id, segment_bytes=SMALL_SEGMENT_BYTES)
        recovered = storage.open()
        machine = Journal()
        applied_index = 0
        if recovered.snapshot is not None:
            applied_index = recovered.snapshot.index
            with storage.snapshots.open_state(recovered.snapshot) as state:
                machine.restore(read_chunks(state))
        for entry in storage.entries(applied_index + 1, recovered.last_index):
            if entry.kind is Kind.COMMAND:
                machine.apply(entry.index, entry.payload)
        storage.close()
        held = [command for _, command in machine.commands]
        assert expected[: len(held)] == held
        ends.add(len(held))
    assert {0, 40} <= ends
