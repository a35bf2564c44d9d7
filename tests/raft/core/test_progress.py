"""Progress of one follower, after etcd/raft's tracker tests."""

from raft.core.progress import Mode, Progress
from raft.entries import SnapshotMeta, sole_configuration

META = SnapshotMeta(
    id="s", index=20, term=1, configuration=sole_configuration("a", ""), configuration_index=1
)


def probing(match_index: int, next_index: int) -> Progress:
    progress = Progress(next_index, 0.0)
    progress.match_index = match_index
    return progress


def replicating(match_index: int, *in_flight: int) -> Progress:
    progress = probing(match_index, match_index + 1)
    progress.replicate()
    progress.in_flight.extend(in_flight)
    progress.next_index = (in_flight[-1] if in_flight else match_index) + 1
    return progress


def test_an_accepted_probe_opens_the_window() -> None:
    progress = probing(0, 6)

    assert progress.accept(5)

    assert (Mode.REPLICATE, 5, 6) == (progress.mode, progress.match_index, progress.next_index)


def test_a_late_acknowledgement_changes_nothing() -> None:
    progress = replicating(5, 8)

    assert not progress.accept(4)

    assert (5, 9, [8]) == (progress.match_index, progress.next_index, list(progress.in_flight))


def test_a_late_acknowledgement_does_not_end_a_probe() -> None:
    progress = probing(5, 9)

    progress.accept(4)

    assert Mode.PROBE is progress.mode


def test_a_caught_up_follower_leaves_the_probe_with_an_acknowledgement_of_what_is_known() -> None:
    """Otherwise one that was unreachable for a moment is probed for ever (etcd/raft)."""
    progress = probing(5, 6)

    progress.accept(5)

    assert Mode.REPLICATE is progress.mode


def test_an_acknowledgement_frees_all_earlier_messages() -> None:
    progress = replicating(5, 6, 7, 8)

    progress.accept(7)

    assert [8] == list(progress.in_flight)


def test_a_refusal_from_the_past_is_ignored() -> None:
    """etcd/raft TestProgressMaybeDecr."""
    assert not replicating(5, 8).refuse(5, 5)
    assert not probing(0, 10).refuse(7, 3)
    assert not probing(5, 10).refuse(5, 3)


def test_a_refusal_goes_back_to_the_hint_but_never_below_what_matches() -> None:
    progress = replicating(5, 9)
    assert progress.refuse(9, 3)
    assert (Mode.PROBE, 6) == (progress.mode, progress.next_index)

    progress = probing(0, 10)
    assert progress.refuse(9, 3)
    assert 4 == progress.next_index


def test_a_server_that_lost_its_log_is_fed_anew() -> None:
    progress = probing(5, 6)

    assert progress.refuse(5, 0)

    assert (0, 1) == (progress.match_index, progress.next_index)


def test_a_refusal_always_makes_progress() -> None:
    progress = probing(0, 10)

    progress.refuse(9, 30)

    assert 9 == progress.next_index


def test_no_entries_go_beside_a_snapshot_and_it_goes_on_behind_it() -> None:
    progress = replicating(5, 9)

    progress.await_snapshot(META, 1.0)
    assert (Mode.SNAPSHOT, 21) == (progress.mode, progress.next_index)
    assert not progress.refuse(9, 8)

    progress.probe()
    assert (6, None) == (progress.next_index, progress.sending)


def test_the_status_says_who_is_caught_up() -> None:
    assert replicating(5).status(5).is_caught_up
    assert not replicating(5).status(6).is_caught_up
