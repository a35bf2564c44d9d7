"""Reads that wait together."""

import asyncio

import pytest

from agent.rpc.read_gate import ReadGate
from raft.errors import NoLeader, RaftError
from tests.agent.harness import within


class Consensus:
    """Notes each question; tells ``error``, or raises it."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.error: RaftError | None = None
        self.raises = False

    def read(self, done, *, lease_allowed: bool = True) -> None:
        self.asked.append(lease_allowed)
        if self.raises:
            raise self.error
        done(0 if self.error else 7, self.error)


@pytest.fixture
def consensus() -> Consensus:
    return Consensus()


async def test_reads_of_one_turn_are_one_question(consensus: Consensus):
    gate = ReadGate(consensus)

    await within(asyncio.gather(*(gate.passed(lease_allowed=True) for _ in range(10))))
    await within(gate.passed(lease_allowed=True))

    assert consensus.asked == [True, True]


async def test_who_may_not_rely_on_a_lease_waits_apart(consensus: Consensus):
    gate = ReadGate(consensus)

    both = [gate.passed(lease_allowed=True), gate.passed(lease_allowed=False)]
    await within(asyncio.gather(*both))

    assert sorted(consensus.asked) == [False, True]


@pytest.mark.parametrize("raises", [True, False])
async def test_each_is_told_of_an_error(consensus: Consensus, raises: bool):
    consensus.error, consensus.raises = NoLeader(), raises
    gate = ReadGate(consensus)

    reads = [gate.passed(lease_allowed=True) for _ in range(3)]
    outcomes = await within(asyncio.gather(*reads, return_exceptions=True))

    assert outcomes == [consensus.error] * 3


async def test_who_went_away_does_not_stop_the_others(consensus: Consensus):
    gate = ReadGate(consensus)
    gone = asyncio.ensure_future(gate.passed(lease_allowed=True))
    stays = asyncio.ensure_future(gate.passed(lease_allowed=True))
    await asyncio.sleep(0)
    gone.cancel()

    await within(stays)
