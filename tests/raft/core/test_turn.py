from raft.core.settings import Settings
from raft.core.types import Effects
from tests.raft.core.cluster import Cluster


def led(**numbers: int) -> Cluster:
    cluster = Cluster("a", settings=Settings(**numbers))  # type: ignore[arg-type]  # all ints
    cluster.elect("a")
    return cluster


def test_a_quiet_turn_has_nothing_but_a_deadline() -> None:
    cluster = led()

    effects = cluster["a"].take_effects(cluster.now)

    assert Effects(next_deadline=effects.next_deadline, messages=[]) == effects
    assert effects.next_deadline is not None


def test_a_server_that_is_no_voter_waits_for_nothing() -> None:
    cluster = Cluster(bootstrap=False)

    assert None is cluster["a"].take_effects(cluster.now).next_deadline


def test_entries_are_handed_out_only_as_fast_as_they_are_applied() -> None:
    """Memory between the log and a slow state machine is bounded; etcd/raft pagination tests."""
    cluster = led(unapplied_bytes_max=150)
    host = cluster.hosts["a"]
    host.applied_at_once = False
    cluster.propose("a", *[b"x"] * 6)  # 65 bytes each
    cluster.settle()
    for _ in range(3):
        cluster.flush("a")
    assert 3 == len(host.payloads)

    host.raft.applied(4, cluster.now)
    cluster.flush("a")
    assert 5 == len(host.payloads)

    host.applied_at_once = True
    host.raft.applied(7, cluster.now)
    cluster.settle()
    assert 6 == len(host.payloads)


def test_committed_entries_come_again_after_a_restart_before_anything_else() -> None:
    """hashicorp/raft#549: without a commit hint a restarted server serves very old reads."""
    cluster = Cluster()
    cluster.elect("a")
    for payload in (b"1", b"2", b"3"):
        cluster.propose("a", payload)
        cluster.settle()

    cluster.crash("b")
    cluster.restart("b")

    assert [b"1", b"2"] == cluster.hosts["b"].payloads[:2]


def test_a_crash_right_after_an_answer_loses_nothing() -> None:
    """etcd#14370, #10508: a lone server answered before its write was durable."""
    cluster = led()
    cluster.propose("a", b"x")
    cluster.flush("a")
    assert [] == cluster.hosts["a"].payloads
    cluster.persist("a")
    assert [b"x"] == cluster.hosts["a"].payloads

    cluster.crash("a")
    cluster.restart("a")
    cluster.elect("a")

    assert [b"x"] == cluster.hosts["a"].payloads
