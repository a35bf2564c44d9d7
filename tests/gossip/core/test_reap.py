"""Serf's upkeep: reconnect the failed, reap the gone, cut the queues."""

from gossip.core.effects import Change, MembersChanged, OpenStream, Warn
from gossip.core.inputs import SendEvent
from gossip.core.policy import OpenPolicy
from gossip.core.types import Dead, LeaveIntent
from tests.gossip.core.solo import Solo, address, only

HOUR_S = 3600.0
QUIET = {"probe_interval_s": 1e6, "push_pull_interval_s": 1e6, "gossip_interval_s": 1e6}


def reaped(effects) -> list[str]:
    return [e.members[0].name for e in only(effects, MembersChanged) if e.change is Change.REAP]


def with_gone_members(**settings) -> Solo:
    """``b`` failed and ``c`` left at time 0."""
    one = Solo(**QUIET, reconnect_interval_s=1e9, **settings)
    one.meet("b", "c", "d")
    one.hear(Dead(1, "b", "d"))
    one.hear_cluster(LeaveIntent(5, "c"))
    one.hear(Dead(1, "c", "c"))
    return one


def test_failed_and_left_members_stay_for_their_time():
    one = with_gone_members(reconnect_timeout_s=2 * HOUR_S, tombstone_timeout_s=HOUR_S)

    assert [] == reaped(one.advance(HOUR_S - 1))
    assert ["c"] == reaped(one.advance(60))
    assert ["b"] == reaped(one.advance(HOUR_S))
    assert ["a", "d"] == [member.name for member in one.node.members]


def test_policy_may_keep_a_failed_member_for_another_time():
    """Consul's tag rc_tm."""

    class Patient(OpenPolicy):
        def reconnect_timeout_s(self, tags, default_s):
            assert ({"role": "web"}, HOUR_S) == (tags, default_s)
            return 10 * HOUR_S

    one = with_gone_members(policy=Patient(), reconnect_timeout_s=HOUR_S)

    assert [] == reaped(one.advance(9 * HOUR_S))


def test_reaped_member_leaves_no_coordinate():
    one = with_gone_members(reconnect_timeout_s=HOUR_S)
    one.node.coordinates.observe("b", one.node.coordinates.coordinate, 0.01)
    one.advance(HOUR_S + 60)

    assert {} == one.node.coordinates.peers


def test_failed_members_are_tried_again():
    one = Solo(**QUIET)
    one.meet("b")
    one.hear(Dead(1, "b", "c"))

    streams = only(one.advance(65), OpenStream)

    assert {(address(2), "b", True)} == {(s.to, s.node, s.message.join) for s in streams}


def test_reconnects_are_rarer_the_fewer_have_failed():
    one = Solo(**QUIET)
    one.meet(*[f"n{n}" for n in range(30)])
    one.hear(Dead(1, "n0", "n1"))

    tries = len(only(one.advance(30 * 100), OpenStream))

    assert 0 < tries < 15


def test_long_queues_are_reported_and_cut():
    one = Solo(**QUIET, queue_depth_max=200)
    for number in range(300):
        one.step(SendEvent(1, str(number), b""))
    effects = one.advance(31)

    assert ["events: 300"] == [w.detail for w in only(effects, Warn) if w.what == "queue is long"]
    assert 200 == one.node.queue_depths["events"]


def test_minimum_depth_keeps_two_messages_a_member():
    one = Solo(**QUIET, queue_depth_min=10, queue_depth_max=1)
    for number in range(30):
        one.step(SendEvent(1, str(number), b""))
    one.advance(31)

    assert 10 == one.node.queue_depths["events"]
