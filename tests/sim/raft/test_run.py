"""Random faults, one run a seed: every rule holds at every event, and the cluster works again.

A failure prints the seed and the end of its story; ``scripts/simulate raft --seed N --trace`` tells
the whole.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.raft.run import run

ROOT = Path(__file__).resolve().parents[3]
BATCHES = 10
SEEDS_A_BATCH = 30
STORY_LINES = 40
PRINT_STORY = """
import zlib
from tests.sim.raft.run import run
print(zlib.crc32("\\n".join(run(35, is_traced=True).trace).encode()))
"""


@pytest.mark.parametrize("batch", range(BATCHES))
def test_rules_hold_under_faults(batch):
    for seed in range(batch * SEEDS_A_BATCH, (batch + 1) * SEEDS_A_BATCH):
        report = run(seed)

        if report.wrong:
            story = run(seed, is_traced=True).trace[-STORY_LINES:]
            pytest.fail("\n".join([*story, f"seed {seed}: {report.wrong}"]), pytrace=False)


def test_same_seed_gives_the_same_run():
    first, second = run(7, is_traced=True), run(7, is_traced=True)

    assert first == second
    assert first.trace != run(8, is_traced=True).trace


def test_run_does_not_depend_on_the_hash_seed():
    sums = {
        subprocess.run(
            [sys.executable, "-c", PRINT_STORY],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }

    assert 1 == len(sums)
