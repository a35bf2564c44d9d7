"""Events of the gossip on their way into the ring."""

import pytest

from agent.membership.event_message import encode
from agent.membership.events import EventRing, UserEvent
from agent.membership.received import ReceivedEvents
from catalog.rows.service import NodeService
from gossip.core.types import LamportTime
from gossip.core.types import UserEvent as GossipEvent


def event(number: int = 1, name: str = "deploy", **fields) -> UserEvent:
    return UserEvent(id=f"00000000-0000-0000-0000-{number:012x}", name=name, **fields)


def told(sent: UserEvent, time: int = 7) -> GossipEvent:
    name, payload = encode(sent)
    return GossipEvent(LamportTime(time), name, payload, coalesce=False)


@pytest.fixture
def ring() -> EventRing:
    return EventRing()


@pytest.fixture
def received(ring: EventRing) -> ReceivedEvents:
    return ReceivedEvents("node-a", ring, lambda: [NodeService(id="web", service="web")])


def test_an_event_gets_its_time_and_moves_the_rings(ring, received):
    received.take(told(event(), time=7))

    assert ([7], 7) == ([kept.l_time for kept in ring.list("")], ring.lamport_time)


def test_an_older_time_does_not_move_the_rings_back(ring, received):
    received.take(told(event(1), time=7))
    received.take(told(event(2), time=3))

    assert 7 == ring.lamport_time
    assert 2 == len(ring.list(""))


def test_an_event_that_comes_again_is_kept_once(ring, received):
    received.take(told(event(), time=7))
    received.take(told(event(), time=8))

    assert [7] == [kept.l_time for kept in ring.list("")]


@pytest.mark.parametrize("fields", [{"node_filter": "^b$"}, {"service_filter": "^db$"}])
def test_an_event_for_others_is_not_kept(ring, received, fields):
    received.take(told(event(**fields)))

    assert [] == ring.list("")


@pytest.mark.parametrize("payload", [b"\xc1", encode(event(node_filter="("))[1]])
def test_an_event_that_cannot_be_understood_harms_nobody(ring, received, payload):
    received.take(GossipEvent(LamportTime(1), "consul:event:x", payload, coalesce=False))

    assert [] == ring.list("")


def test_an_event_of_a_later_version_is_kept_all_the_same(ring, received):
    received.take(told(event(version=2)))

    assert [2] == [kept.version for kept in ring.list("")]
