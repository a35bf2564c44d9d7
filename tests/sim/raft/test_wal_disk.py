"""Clusters whose servers keep their logs by the real code, on files that tear."""

import pytest

from tests.sim.raft.profile import draw
from tests.sim.raft.run import run

CRASHING = [seed for seed in range(200) if {"crash", "power_loss"} <= set(draw(seed).faults)][:10]


@pytest.mark.parametrize("seed", CRASHING)
def test_rules_hold_with_the_real_log(seed, tmp_path):
    report = run(seed, directory=tmp_path)

    assert "" == report.wrong
