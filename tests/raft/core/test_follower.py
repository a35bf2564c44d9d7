"""The follower's rules. Sources: Raft §5.3; etcd/raft's TestHandleAppendEntries and others."""

import pytest

from raft.core.types import Append, AppendAnswer, Heartbeat, HeartbeatAnswer
from raft.entries import Entry, Kind
from tests.raft.core.cluster import Cluster


def entries(first: int, *terms: int) -> tuple[Entry, ...]:
    return tuple(
        Entry(index, term, Kind.COMMAND, b"%d.%d" % (index, term))
        for index, term in enumerate(terms, first)
    )


def follower(*terms: int) -> Cluster:
    """Server b in term 9 with the first configuration (term 1) and entries of these terms."""
    cluster = Cluster()
    cluster.with_log("b", terms, term=9)
    return cluster


def log_terms(cluster: Cluster) -> list[int | None]:
    raft = cluster["b"]
    return [raft.entry_term(index) for index in range(1, raft.last_index + 1)]


@pytest.mark.parametrize(
    ("previous", "new_terms", "expected"),
    [
        ((3, 2), (), [1, 2, 2]),  # a question
        ((3, 2), (3,), [1, 2, 2, 3]),  # one more
        ((2, 2), (2,), [1, 2, 2]),  # known already
        ((1, 1), (2,), [1, 2, 2]),  # a shorter repetition cuts nothing
        ((2, 2), (3, 3), [1, 2, 3, 3]),  # a conflict is cut, and all behind it
        ((1, 1), (2, 3), [1, 2, 3]),
        ((0, 0), (1, 2, 2, 4), [1, 2, 2, 4]),
    ],
)
def test_entries_that_follow_are_taken_and_only_conflicts_are_cut(
    previous: tuple[int, int], new_terms: tuple[int, ...], expected: list[int]
) -> None:
    cluster = follower(2, 2)

    cluster.say("a", "b", Append(9, *previous, 0, entries(previous[0] + 1, *new_terms)))
    cluster.persist("b")

    assert expected == log_terms(cluster)
    accepted = AppendAnswer(9, accepted=True, index=previous[0] + len(new_terms))
    assert [accepted] == cluster.sent(AppendAnswer)


@pytest.mark.parametrize(
    ("previous", "hint"),
    [((9, 3), (3, 2)), ((3, 3), (3, 2)), ((3, 1), (1, 1)), ((2, 1), (1, 1))],
)
def test_entries_that_do_not_follow_are_refused_with_the_last_that_may_match(
    previous: tuple[int, int], hint: tuple[int, int]
) -> None:
    cluster = follower(2, 2)

    cluster.say("a", "b", Append(9, *previous, 0, entries(previous[0] + 1, 9)))

    assert [1, 2, 2] == log_terms(cluster)
    assert [AppendAnswer(9, False, previous[0], *hint)] == cluster.sent(AppendAnswer)


def test_an_answer_leaves_only_when_entries_and_truncation_are_durable() -> None:
    cluster = follower(2, 2)
    cluster.say("a", "b", Append(9, 2, 2, 0, entries(3, 3)))
    assert [] == cluster.sent(AppendAnswer)

    cluster.persist("b")

    assert [AppendAnswer(9, accepted=True, index=3)] == cluster.sent(AppendAnswer)
    assert [1, 2, 3] == [entry.term for entry in cluster.hosts["b"].disk.entries]


def test_a_repetition_is_not_acknowledged_before_the_first_is_durable() -> None:
    cluster = follower()

    cluster.say("a", "b", Append(9, 1, 1, 0, entries(2, 9)))
    cluster.say("a", "b", Append(9, 1, 1, 0, entries(2, 9)))
    assert [] == cluster.sent(AppendAnswer)

    cluster.persist("b", count=1)
    assert 2 == len(cluster.sent(AppendAnswer))


def test_the_commit_ends_with_the_last_entry_that_the_message_names() -> None:
    """What lies behind it may be somebody else's tail (Raft §5.3, rule 5)."""
    cluster = follower(2, 2, 2)

    cluster.say("a", "b", Append(9, 2, 2, 4))
    assert 2 == cluster["b"].commit_index

    cluster.say("a", "b", Append(9, 2, 2, 4, entries(3, 2)))
    assert 3 == cluster["b"].commit_index


def test_what_is_committed_is_never_cut() -> None:
    cluster = follower(2, 2)
    cluster.say("a", "b", Append(9, 3, 2, 3))

    cluster.say("a", "b", Append(9, 1, 1, 0))
    cluster.persist("b")

    assert [1, 2, 2] == log_terms(cluster)
    assert AppendAnswer(9, accepted=True, index=1) == cluster.sent(AppendAnswer)[-1]


def test_an_append_that_begins_below_the_commit_is_taken_from_there() -> None:
    cluster = follower(2, 2)
    cluster.say("a", "b", Append(9, 3, 2, 3))

    cluster.say("a", "b", Append(9, 1, 1, 3, entries(2, 2, 2, 9)))
    cluster.persist("b")

    assert [1, 2, 2, 9] == log_terms(cluster)
    assert AppendAnswer(9, accepted=True, index=4) == cluster.sent(AppendAnswer)[-1]


@pytest.mark.parametrize(
    "message",
    [Append(9, 1, 1, 3, entries(2, 3, 3)), Append(9, 3, 3, 3)],
    ids=["below the commit", "at the commit"],
)
def test_a_leader_that_contradicts_what_is_final_stops_the_server(message: Append) -> None:
    cluster = follower(2, 2)
    cluster.say("a", "b", Append(9, 3, 2, 3))

    with pytest.raises(AssertionError):
        cluster["b"].step("a", message, cluster.now)


def test_two_leaders_in_one_term_stop_the_server() -> None:
    """hashicorp/raft#695: an entry with a term that its server does not lead."""
    cluster = Cluster()
    term = cluster.elect("a").term

    with pytest.raises(AssertionError):
        cluster["a"].step("b", Append(term, 1, 1, 0), cluster.now)


def test_a_heartbeat_is_answered_while_the_disk_is_busy() -> None:
    cluster = follower()
    cluster.say("a", "b", Append(9, 1, 1, 0, entries(2, 9)))

    cluster.say("a", "b", Heartbeat(9, 1, 7))

    assert [HeartbeatAnswer(9, 7)] == cluster.sent(HeartbeatAnswer)
    assert 1 == cluster["b"].commit_index


def test_the_answer_to_a_heartbeat_of_a_new_term_waits_until_the_term_is_durable() -> None:
    cluster = follower()

    cluster.say("a", "b", Heartbeat(10, 0, 1))
    assert [] == cluster.sent(HeartbeatAnswer)

    cluster.persist("b")
    assert [HeartbeatAnswer(10, 1)] == cluster.sent(HeartbeatAnswer)


def test_promises_of_an_earlier_term_are_not_sent_any_more() -> None:
    cluster = follower()
    cluster.say("a", "b", Append(9, 1, 1, 0, entries(2, 9)))

    cluster.say("c", "b", Append(10, 1, 1, 0, entries(2, 10)))
    cluster.persist("b")

    assert [AppendAnswer(10, accepted=True, index=2)] == cluster.sent(AppendAnswer)
    assert [1, 10] == log_terms(cluster)
