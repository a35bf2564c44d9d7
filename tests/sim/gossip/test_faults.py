"""Random faults, one run a seed: the pool agrees again, incarnations only grow, events come once.

A failure prints the seed and the story; ``scripts/simulate gossip --seed N --trace`` replays it.
"""

import pytest

from tests.sim.gossip.faults import run

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_pool_agrees_with_the_truth_after_faults(seed):
    report = run(seed)

    assert [] == report.wrong, "\n".join(report.story)


def test_same_seed_gives_the_same_run():
    first, second = run(7), run(7)

    assert first == second
    assert first != run(8)
