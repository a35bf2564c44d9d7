"""Serf's intents: who left and who failed, in Lamport order."""

import pytest

from gossip.core.effects import Change, MembersChanged
from gossip.core.inputs import ForceLeave
from gossip.core.types import ClusterState, Dead, JoinIntent, LeaveIntent, PushPull
from tests.gossip.core.solo import Solo, alive, only, said

QUIET = {"probe_interval_s": 1e6, "push_pull_interval_s": 1e6}


def pool() -> Solo:
    one = Solo(**QUIET)
    one.meet("b", "c")
    one.drain()
    return one


def intents(one: Solo) -> int:
    return one.node.queue_depths["intents"]


def status_time(one: Solo, name: str) -> int:
    return next(m.status_time for m in one.node.members if m.name == name)


def changes(effects) -> list[tuple[Change, str]]:
    return [(e.change, e.members[0].name) for e in only(effects, MembersChanged)]


def test_leave_needs_the_intent_and_the_goodbye():
    one = pool()
    one.hear_cluster(LeaveIntent(5, "b"))
    assert "LEAVING" == one.status("b")

    assert [(Change.LEAVE, "b")] == changes(one.hear(Dead(1, "b", "b")))
    assert "LEFT" == one.status("b")


def test_goodbye_without_an_intent_is_a_failure():
    one = pool()

    assert [(Change.FAILED, "b")] == changes(one.hear(Dead(1, "b", "b")))


def test_intent_after_the_death_makes_a_failed_member_left():
    """hashicorp/serf#510: the two may come in either order."""
    one = pool()
    one.hear(Dead(1, "b", "c"))

    assert [(Change.LEAVE, "b")] == changes(one.hear_cluster(LeaveIntent(5, "b")))
    assert "LEFT" == one.status("b")


def test_older_intents_change_nothing_and_are_not_passed_on():
    one = pool()
    one.hear_cluster(JoinIntent(9, "b"))
    one.drain()
    one.hear_cluster(LeaveIntent(8, "b"), JoinIntent(9, "b"), JoinIntent(4, "b"))

    assert ("ALIVE", 9, 0) == (one.status("b"), status_time(one, "b"), intents(one))


def test_leave_wins_over_a_join_of_its_time():
    """A peer of another make tells the leave's time as a join's in its table."""
    one = pool()
    one.hear_cluster(JoinIntent(9, "b"))
    one.drain()
    one.hear_cluster(LeaveIntent(9, "b"), JoinIntent(9, "b"), LeaveIntent(9, "b"))

    assert ("LEAVING", 9, 1) == (one.status("b"), status_time(one, "b"), intents(one))


def test_newer_join_ends_leaving():
    one = pool()
    one.hear_cluster(LeaveIntent(5, "b"), JoinIntent(6, "b"))

    assert "ALIVE" == one.status("b")


def test_new_intent_is_passed_on_once():
    one = pool()
    one.hear_cluster(LeaveIntent(5, "b"), LeaveIntent(5, "b"))

    assert 1 == intents(one)


def test_two_leaves_of_a_left_member_do_not_echo():
    """hashicorp/serf#606: the time is stored whatever the status."""
    one = pool()
    one.hear_cluster(LeaveIntent(5, "b"))
    one.hear(Dead(1, "b", "b"))
    one.drain()
    for _ in range(5):
        one.hear_cluster(LeaveIntent(10, "b"), LeaveIntent(11, "b"))

    assert 2 == intents(one)
    assert 11 == status_time(one, "b")


def test_leave_about_us_is_answered_with_a_newer_join():
    one = pool()
    effects = one.hear_cluster(LeaveIntent(60, "a")) + one.advance(0.5)

    assert [JoinIntent(61, "a")] == said(effects, JoinIntent)
    assert [] == said(effects, LeaveIntent)
    assert "ALIVE" == one.status("a")


def test_join_about_us_from_a_former_life_is_answered_with_a_newer_join():
    """hashicorp/serf#662: else others keep us leaving."""
    one = pool()
    state = ClusterState(51, {"a": 50}, (), 1, (), 1)
    effects = one.merge(PushPull((), False, state)) + one.advance(0.5)

    assert [JoinIntent(51, "a")] == said(effects, JoinIntent)
    assert 51 == status_time(one, "a")


def test_intent_about_an_unknown_member_waits_for_it():
    one = pool()
    one.hear_cluster(LeaveIntent(7, "x"), JoinIntent(8, "y"), LeaveIntent(6, "x"))
    assert 2 == intents(one)

    one.hear(alive("x", 8), alive("y", 9))

    assert ("LEAVING", 7) == (one.status("x"), status_time(one, "x"))
    assert ("ALIVE", 8) == (one.status("y"), status_time(one, "y"))


def test_waiting_intent_is_forgotten_after_a_while():
    one = pool()
    one.hear_cluster(LeaveIntent(7, "x"))
    one.advance(320)
    one.hear(alive("x", 8))

    assert "ALIVE" == one.status("x")


def test_waiting_intents_are_bounded(monkeypatch):
    monkeypatch.setattr("gossip.core.intents.RECENT_MAX", 2)
    one = pool()
    one.hear_cluster(*[LeaveIntent(7, name) for name in "xyz"])
    one.hear(*[alive(name, last) for last, name in enumerate("xyz", 50)])

    assert ["ALIVE", "LEAVING", "LEAVING"] == [one.status(name) for name in "xyz"]


def test_member_that_comes_back_is_alive_whatever_it_was():
    one = pool()
    one.hear_cluster(LeaveIntent(5, "b"))
    one.hear(Dead(1, "b", "b"))

    assert [(Change.JOIN, "b")] == changes(one.hear(alive("b", 2, 2)))
    assert "ALIVE" == one.status("b")


def test_force_leave_makes_a_failed_member_left():
    one = pool()
    one.hear(Dead(1, "b", "c"))

    effects = one.step(ForceLeave(3, "b")) + one.advance(0.5)

    assert "LEFT" == one.status("b")
    assert ["b"] == [intent.node for intent in said(effects, LeaveIntent)]


@pytest.mark.parametrize("is_left", [False, True])
def test_prune_erases_a_member_that_is_gone(is_left):
    one = pool()
    one.hear(Dead(1, "b", "c"))
    if is_left:
        one.hear_cluster(LeaveIntent(5, "b"))

    effects = one.step(ForceLeave(3, "b", prune=True))

    assert (Change.REAP, "b") == changes(effects)[-1]
    assert "" == one.status("b")


def test_prune_of_a_leaving_member_waits_for_its_goodbye():
    one = pool()
    one.hear_cluster(LeaveIntent(5, "b", prune=True))
    one.hear(Dead(1, "b", "b"))
    assert "LEFT" == one.status("b")

    assert (Change.REAP, "b") in changes(one.advance(7))


def test_prune_spares_a_member_that_still_answers():
    one = pool()
    one.hear_cluster(LeaveIntent(5, "b", prune=True))
    one.advance(7)

    assert "LEAVING" == one.status("b")


def test_prune_spares_a_member_that_refuted():
    one = pool()
    one.hear_cluster(LeaveIntent(5, "b", prune=True), JoinIntent(6, "b"))
    one.advance(7)

    assert "ALIVE" == one.status("b")
