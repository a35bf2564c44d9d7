"""Each deliberate bug of the core makes a run go wrong within a few seeds."""

import pytest

from tests.sim.raft.mutations import MUTATIONS, seeds_to_catch

SEEDS_MAX = 60  # about twice what the rarest one takes


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_bug_is_caught(mutation):
    seeds, found = seeds_to_catch(mutation, SEEDS_MAX)

    assert seeds, f"{mutation.rule}: nothing was noticed in {SEEDS_MAX} seeds"
    print(f"{mutation.rule}: seed {seeds - 1}: {found}")
