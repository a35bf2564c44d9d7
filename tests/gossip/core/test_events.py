"""Serf's user events: (time, name, payload) is delivered once."""

import pytest

from gossip.core.effects import Completed, EventReceived
from gossip.core.inputs import Join, JoinTarget, SendEvent, StreamAnswered
from gossip.core.snapshot import Replay
from gossip.core.types import ClusterState, EventBody, EventSlot, PushPull, UserEvent
from tests.gossip.core.solo import Solo, address, only, said


def event(time: int, name: str = "e", payload: bytes = b"") -> UserEvent:
    return UserEvent(time, name, payload, coalesce=False)


def delivered(effects) -> list[tuple[int, str, bytes]]:
    return [(e.event.time, e.event.name, e.event.payload) for e in only(effects, EventReceived)]


def test_event_is_delivered_here_and_told():
    one = Solo()
    one.meet("b")
    effects = one.step(SendEvent(4, "deploy", b"v1")) + one.advance(0.3)

    assert [(1, "deploy", b"v1")] == delivered(effects)
    assert [Completed(4)] == only(effects, Completed)
    assert [UserEvent(1, "deploy", b"v1", coalesce=False)] == said(effects, UserEvent)


def test_each_event_of_ours_has_a_later_time():
    one = Solo()

    assert [1, 2] == [delivered(one.step(SendEvent(4, "e", b"")))[0][0] for _ in range(2)]


def test_same_event_is_delivered_and_passed_on_once():
    one = Solo()

    assert 1 == len(delivered(one.hear_cluster(*[event(5)] * 3)))
    assert 1 == one.node.queue_depths["events"]


def test_other_name_or_payload_at_the_same_time_is_another_event():
    one = Solo()

    assert 3 == len(delivered(one.hear_cluster(event(5), event(5, "f"), event(5, "e", b"x"))))


def test_older_event_out_of_order_is_delivered_too():
    one = Solo()

    assert [9, 8] == [time for time, _, _ in delivered(one.hear_cluster(event(9), event(8)))]


def test_event_that_fell_out_of_the_ring_is_dropped():
    one = Solo()
    one.hear_cluster(event(600))

    assert [] == delivered(one.hear_cluster(event(80)))
    assert [(90, "e", b"")] == delivered(one.hear_cluster(event(90)))


def test_ring_of_600_events_delivers_each_once():
    one = Solo()
    events = [event(time) for time in range(1, 601)]

    assert 600 == len(delivered(one.hear_cluster(*events)))
    assert [] == delivered(one.hear_cluster(*events))


@pytest.mark.parametrize(
    ("size", "error"),
    [
        (470, ""),
        (505, "encoded user event exceeds configured limit of 512 bytes after encoding"),
        (512, "user event exceeds configured limit of 512 bytes before encoding"),
    ],
)
def test_event_is_limited_before_and_after_encoding(size, error):
    """The texts are those that Consul's /v1/event/fire passes on."""
    effects = Solo().step(SendEvent(4, "e", bytes(size)))

    assert (error == "") == bool(delivered(effects))
    assert [error] == [c.error for c in only(effects, Completed)]


def test_event_never_exceeds_what_a_packet_carries():
    """Else it would wait in the queue for ever."""
    one = Solo(event_bytes_max=9000, packet_overhead_bytes=29)

    assert [] == delivered(one.step(SendEvent(4, "e", bytes(1340))))


def test_events_of_one_time_are_bounded(monkeypatch):
    monkeypatch.setattr("gossip.core.events.SLOT_EVENTS_MAX", 2)
    one = Solo()

    assert 2 == len(delivered(one.hear_cluster(*[event(5, str(n)) for n in range(4)])))


def history() -> PushPull:
    slot = EventSlot(5, (EventBody("old", b""),))
    return PushPull((), True, ClusterState(1, {}, (), 6, (slot,), 1))


def test_push_pull_brings_events_that_gossip_missed():
    one = Solo()

    assert [(5, "old", b"")] == delivered(one.merge(history()))
    assert [] == delivered(one.merge(history()))


@pytest.mark.parametrize("ignore", [True, False])
def test_join_may_ignore_the_past(ignore):
    one = Solo()
    one.step(Join(7, (JoinTarget(address(2)),), ignore_old_events=ignore))

    effects = one.step(StreamAnswered(1, history()))

    assert ignore == (delivered(effects) == [])
    assert [(6, "new", b"")] == delivered(one.hear_cluster(event(6, "new")))


def test_events_in_the_ring_are_handed_on_in_a_push_pull():
    one = Solo()
    one.hear_cluster(event(5), event(5, "f"), event(7))

    assert {5: 2, 7: 1} == {slot.time: len(slot.events) for slot in one.node._events.slots()}


def test_restart_delivers_no_event_of_the_last_run():
    one = Solo(history=Replay(alive={}, event_time=10))

    assert [(11, "e", b"")] == delivered(one.hear_cluster(event(10), event(11)))


def test_queue_of_a_lone_node_is_cut():
    """hashicorp/serf#78: there is nobody to send to."""
    one = Solo(queue_depth_max=100)
    for number in range(1000):
        one.step(SendEvent(4, str(number), b""))
    one.advance(31)

    assert 100 == one.node.queue_depths["events"]
