"""What a start makes of a disk, and of an operator's word on the members."""

import json
from pathlib import Path

import pytest

from raft.entries import Server
from raft.errors import Corrupt, StorageError
from tests.raft.cluster import cluster_of
from tests.raft.machines import (
    ADDRESS,
    ALONE,
    OTHER_ID,
    SERVER_ID,
    Journal,
    commands_after_restart,
    durable,
    make_driver,
)


def ask_for(path: Path, *peers: dict[str, object]) -> None:
    (path / "peers.json").write_text(json.dumps(peers))


async def test_snapshot_that_the_machine_refuses_stops_the_start(tmp_path: Path) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)
    await driver.snapshot()
    await driver.stop()

    class Newer(Journal):
        def restore(self, chunks, /) -> None:
            message = "unknown record 99"
            raise ValueError(message)

    with pytest.raises(Corrupt, match="cannot be restored: unknown record 99"):
        await make_driver(Newer(), durable(tmp_path)).start(ALONE)

    await commands_after_restart(tmp_path)  # the lock was let go


async def test_survivors_go_on_with_the_members_of_the_peers_file(tmp_path: Path) -> None:
    async with cluster_of(3, tmp_path) as cluster:
        leader = await cluster.leader()
        for number in range(20):
            await leader.driver.propose(b"%d" % number)
        before = await cluster.agreed()
        first, second, third = cluster.members
        for member in cluster.members:
            await member.stop()
        kept = [{"id": member.id, "address": member.address} for member in (first, second)]
        for member in (first, second):
            ask_for(tmp_path / member.id, *kept)
            await member.restart()

        assert await cluster.leader() in (first, second)
        assert await cluster.agreed(first, second) == before
        assert first.driver.configuration.voter_ids() == (first.id, second.id)
        assert first.driver.configuration_index == 1
        assert not (tmp_path / first.id / "peers.json").exists()
        await (await cluster.leader()).driver.propose(b"after")
        await first.restart()
        assert await cluster.agreed(first, second) == [*before, b"after"]
        assert third.id not in first.driver.configuration.voter_ids()


async def test_entries_that_no_quorum_has_count_after_a_recovery(tmp_path: Path) -> None:
    """Who has lost its quorum for good cannot ask it any more. Source: Consul's recovery guide."""
    async with cluster_of(3, tmp_path) as cluster:
        leader = await cluster.leader()
        for member in await cluster.followers():
            await member.stop()
        leader.driver.submit(b"by this server only", lambda *_: None)
        await leader.stop()
        ask_for(tmp_path / leader.id, {"id": leader.id, "address": leader.address})

        await leader.restart()

        assert leader.driver.is_leader
        assert leader.commands == [b"by this server only"]


async def test_the_peers_file_is_for_a_server_that_has_a_log(tmp_path: Path) -> None:
    storage = durable(tmp_path)
    storage.open()
    storage.close()
    ask_for(tmp_path, {"id": SERVER_ID, "address": ADDRESS})

    with pytest.raises(StorageError, match="this one has none"):
        await make_driver(Journal(), durable(tmp_path)).start(ALONE)


@pytest.mark.parametrize(
    "peers",
    [
        [],
        [{"id": SERVER_ID, "address": ADDRESS, "non_voter": True}],
        [{"id": OTHER_ID, "address": "a:1"}, {"id": OTHER_ID, "address": "b:1"}],
    ],
)
async def test_a_peers_file_must_make_a_membership(
    tmp_path: Path, peers: list[dict[str, object]]
) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)
    await driver.stop()
    ask_for(tmp_path, *peers)

    with pytest.raises(StorageError, match="at least one voter, and no id twice"):
        await make_driver(Journal(), durable(tmp_path)).start(ALONE)


async def test_a_non_voter_of_the_peers_file_stays_one(tmp_path: Path) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)
    await driver.propose(b"a")
    await driver.stop()
    ask_for(
        tmp_path,
        {"id": SERVER_ID, "address": ADDRESS},
        {"id": OTHER_ID, "address": "b:1", "non_voter": True},
    )

    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)

    assert Server(1, OTHER_ID, "b:1") in driver.configuration.servers
    await driver.stop()
    assert await commands_after_restart(tmp_path) == [(3, b"a")]
