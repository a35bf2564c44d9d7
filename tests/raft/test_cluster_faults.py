"""Writers go on while servers are killed, cut off and brought back; what was acknowledged stays."""

import asyncio
import random
from pathlib import Path

import pytest

from raft.errors import OutcomeUnknown, RaftError
from raft.machine import Settings
from tests.raft.cluster import ELECTION_TIMEOUT_S, Cluster, cluster_of

WRITERS = 8
FAULTS = 6
CALM_S = 0.25  # between faults: two election timeouts, so that some leaders get to work


class Writer:
    """Proposes numbers wherever a leader is known; remembers what it was told."""

    def __init__(self, name: int, cluster: Cluster) -> None:
        self.acknowledged: list[bytes] = []
        self.refused: set[bytes] = set()
        self._name = name
        self._cluster = cluster

    async def run(self) -> None:
        number = 0
        while True:
            number += 1
            command = b"%d/%d" % (self._name, number)
            leaders = [m for m in self._cluster.running() if m.driver.is_leader]
            if not leaders:
                await asyncio.sleep(0.01)
                continue
            try:
                await random.choice(leaders).driver.propose(command)
            except OutcomeUnknown:
                continue
            except RaftError:
                self.refused.add(command)
                await asyncio.sleep(0.005)
            else:
                self.acknowledged.append(command)


@pytest.mark.parametrize("seed", [1, 2])
async def test_acknowledged_commands_survive_in_order_and_refused_ones_never_appear(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    settings = Settings(
        election_timeout_s=ELECTION_TIMEOUT_S,
        trailing_logs=50,
        snapshot_threshold=200,
        snapshot_interval_s=0.1,
    )
    async with cluster_of(3, tmp_path, settings=settings) as cluster:
        writers = [Writer(name, cluster) for name in range(WRITERS)]
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(writer.run()) for writer in writers]
        for _ in range(FAULTS):
            await asyncio.sleep(CALM_S)
            victim = chance.choice(cluster.members)
            if chance.random() < 0.5:
                victim.is_cut_off = True
                await asyncio.sleep(3 * ELECTION_TIMEOUT_S)
                victim.is_cut_off = False
            else:
                await victim.stop()
                await asyncio.sleep(2 * ELECTION_TIMEOUT_S)
                await victim.restart()
        await asyncio.sleep(CALM_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await cluster.leader()
        commands = await cluster.agreed()

    assert len(commands) == len(set(commands))
    for writer in writers:
        acknowledged = set(writer.acknowledged)
        assert writer.acknowledged == [c for c in commands if c in acknowledged]
        assert not writer.refused & set(commands)
    assert sum(len(writer.acknowledged) for writer in writers) > 100
