"""Serf's leave: two goodbyes, then a pause in which probes are still answered."""

import pytest

from gossip.core.effects import Completed
from gossip.core.inputs import Join, Leave, SendEvent, SetTags
from gossip.core.types import Ack, Alive, Dead, LeaveIntent, Ping, Suspect
from tests.gossip.core.solo import Solo, alive, only, said, sent

QUIET = {"probe_interval_s": 1e6, "push_pull_interval_s": 1e6}


def leaving(*names: str) -> Solo:
    one = Solo(**QUIET)
    one.meet(*names)
    one.drain()
    one.step(Leave(3))
    return one


def test_intent_goes_out_before_the_goodbye():
    one = leaving("b")
    effects = one.advance(10)

    kinds = [type(message) for kind in (LeaveIntent, Dead) for message in said(effects, kind)]
    first_goodbye = next(i for i, e in enumerate(effects) if sent([e], Dead))
    last_intent = max(i for i, e in enumerate(effects) if sent([e], LeaveIntent))
    assert [LeaveIntent, Dead] == kinds
    assert last_intent < first_goodbye
    assert [Dead(1, "a", "a")] == said(effects, Dead)


def test_leave_completes_after_the_pause():
    one = leaving("b")
    effects = []
    while not only(effects, Completed):
        effects += one.advance(0.1)

    assert [Completed(3)] == only(effects, Completed)
    assert "LEFT" == one.status("a")
    # Four transmits of each goodbye to one peer at 0.2 s, and the pause of 1 s.
    assert 2.0 < one.now < 3.5


def test_leaver_answers_probes_until_the_end():
    one = leaving("b")
    for _ in range(4):
        one.advance(0.5)
        assert 1 == len(sent(one.hear(Ping(5, "a")), Ack))


def test_leaver_does_not_refute_its_death():
    one = leaving("b")
    one.advance(2)
    effects = one.hear(Dead(1, "a", "b"), Suspect(1, "a", "b"), alive("a", 1, 5)) + one.advance(1)

    assert [] == [m for m in said(effects, Alive) if m.node == "a"]
    assert "LEFT" == one.state("a")[0]


def test_leaver_does_not_answer_its_own_intent():
    one = leaving("b")
    one.hear_cluster(LeaveIntent(50, "a"))

    assert "LEAVING" == one.status("a")


def test_lone_node_leaves_without_waiting_for_anybody():
    one = Solo(**QUIET)

    assert [Completed(3)] == only(one.step(Leave(3)), Completed)


def test_peers_that_are_gone_bound_the_wait():
    """hashicorp/consul#8435: a leave must not hang."""
    one = leaving("b")

    assert Completed(3) in one.advance(5 + 5 + 1.1)


@pytest.mark.parametrize("command", [Leave(4), Join(4, ()), SendEvent(4, "e", b""), SetTags(4, {})])
def test_there_is_no_way_back(command):
    """hashicorp/memberlist#140: a clear error in place of a half-dead node."""
    one = leaving()
    one.advance(2)

    assert ["this node is leaving or has left"] == [
        effect.error for effect in only(one.step(command), Completed)
    ]
