"""Each deliberate bug of the core makes a run go wrong within a few seeds."""

from unittest.mock import patch

import pytest

from tests.sim.raft import clients
from tests.sim.raft.mutations import MUTATIONS, seeds_to_catch

SEEDS_MAX = 200  # four times what the rarest one takes


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_bug_is_caught(mutation):
    seeds, found = seeds_to_catch(mutation, SEEDS_MAX)

    assert seeds, f"{mutation.rule}: nothing was noticed in {SEEDS_MAX} seeds"
    print(f"{mutation.rule}: seed {seeds - 1}: {found}")


def test_history_alone_shows_a_stale_read():
    """Without the rule that sees it at once, the judge of histories must."""
    bug = next(each for each in MUTATIONS if each.rule == "read without asking the leader")

    with patch.object(clients, "require"):
        _, found = seeds_to_catch(bug, SEEDS_MAX)

    assert "the history is not linearizable" in found
