"""Taking proposals, and the reasons not to. Source: etcd PR 10167: one "dropped" is not enough."""

import pytest

from raft.core.log import ENTRY_OVERHEAD_BYTES
from raft.core.settings import Settings
from raft.core.types import Accepted, Refusal, Refused, Role, Vote
from tests.raft.core.cluster import Cluster


def led(**numbers: int) -> Cluster:
    cluster = Cluster(settings=Settings(**numbers))  # type: ignore[arg-type]  # all ints
    cluster.elect("a")
    return cluster


def test_a_batch_gets_consecutive_indexes() -> None:
    cluster = led()
    term = cluster["a"].term

    assert Accepted(3, term) == cluster.propose("a", b"x", b"y")
    assert Accepted(5, term) == cluster.propose("a", b"z")


def test_a_follower_names_the_leader() -> None:
    cluster = led()

    assert Refused(Refusal.NOT_LEADER, "a") == cluster["b"].propose([b"x"], cluster.now)


def test_without_a_leader_there_is_nobody_to_name() -> None:
    cluster = Cluster()

    assert Refused(Refusal.NO_LEADER) == cluster["a"].propose([b"x"], cluster.now)


def test_a_removed_server_says_so() -> None:
    cluster = led()
    cluster["a"].propose_configuration(cluster.configuration.servers[:2], cluster.now)
    cluster.settle()
    cluster.now += 3
    cluster.tick("c")
    cluster["c"].step("b", Vote(cluster["a"].term + 1, 99, 99), cluster.now)

    assert Refused(Refusal.REMOVED) == cluster["c"].propose([b"x"], cluster.now)


def test_a_proposal_for_another_term_is_refused() -> None:
    """etcd#15247, #12528: what a deposed leader had queued must not reach the next one."""
    cluster = led()
    term = cluster["a"].term

    assert Refused(Refusal.STALE_TERM, "a") == cluster["a"].propose([b"x"], cluster.now, term - 1)
    assert isinstance(cluster["a"].propose([b"x"], cluster.now, term), Accepted)


def test_a_command_that_is_too_large_takes_its_batch_along() -> None:
    cluster = led(command_bytes_max=4)

    assert Refused(Refusal.TOO_LARGE, "a") == cluster["a"].propose([b"x", b"12345"], cluster.now)
    assert isinstance(cluster["a"].propose([b"1234"], cluster.now), Accepted)


@pytest.mark.parametrize(
    "numbers",
    [{"uncommitted_count_max": 2}, {"uncommitted_bytes_max": 2 * (ENTRY_OVERHEAD_BYTES + 1)}],
)
def test_what_is_not_committed_is_bounded(numbers: dict[str, int]) -> None:
    """etcd/raft TestUncommittedEntryLimit."""
    cluster = led(**numbers)
    cluster.propose("a", b"1", b"2")

    assert Refused(Refusal.OVERLOADED, "a") == cluster["a"].propose([b"3"], cluster.now)

    cluster.settle()
    assert isinstance(cluster["a"].propose([b"3", b"4"], cluster.now), Accepted)


def test_with_nothing_uncommitted_any_size_passes() -> None:
    cluster = led(uncommitted_bytes_max=1)

    assert isinstance(cluster["a"].propose([b"1", b"2", b"3"], cluster.now), Accepted)
    assert Refused(Refusal.OVERLOADED, "a") == cluster["a"].propose([b"4"], cluster.now)


def test_memory_stays_bounded_while_leadership_changes_without_commits() -> None:
    """etcd-io/raft#11, cockroach#31689: a counter that was reset let the log grow for ever."""
    cluster = led(uncommitted_count_max=4)
    cluster.settle()
    for _ in range(20):
        leader = cluster.leader().server_id if _leads(cluster) else "a"
        if cluster[leader].role is not Role.LEADER:
            cluster.elect(leader)
        cluster.isolate(leader)
        while isinstance(cluster[leader].propose([b"x"], cluster.now), Accepted):
            cluster.flush(leader)
        cluster.wait(0.7)
        uncommitted = cluster[leader].last_index - cluster[leader].commit_index
        assert uncommitted <= 4
        cluster.heal()
        cluster.wait(3)

    assert isinstance(cluster.leader().propose([b"end"], cluster.now), Accepted)


def _leads(cluster: Cluster) -> bool:
    return any(host.raft.role is Role.LEADER for host in cluster.hosts.values())
