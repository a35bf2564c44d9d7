"""User events: the ring, whom they concern, their index."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.membership import events
from agent.membership.events import EventRing, UserEvent, check, concerns, index_of
from catalog.errors import Invalid
from catalog.rows.service import NodeService

SERVICES = [
    NodeService(id="web-1", service="web", tags=("blue", "v2")),
    NodeService(id="db", service="db"),
]


def event(number: int = 0, name: str = "deploy", **fields) -> UserEvent:
    return UserEvent(id=f"00000000-0000-0000-0000-{number:012x}", name=name, **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"node_filter": "^node-"}, True),
        ({"node_filter": "^web"}, False),
        ({"service_filter": "web"}, True),
        ({"service_filter": "cache"}, False),
        ({"service_filter": "web", "tag_filter": "^v[0-9]$"}, True),
        ({"service_filter": "db", "tag_filter": "."}, False),
        ({"node_filter": "other", "service_filter": "web"}, False),
    ],
)
def test_all_filters_have_to_match(fields, expected):
    assert concerns(event(**fields), "node-a", SERVICES) is expected


@pytest.mark.parametrize("what", ["node", "service", "tag"])
def test_a_bad_filter_is_refused_and_named(what):
    with pytest.raises(Invalid, match=f"Invalid {what} filter: "):
        check(event(**{"service_filter": "a", f"{what}_filter": "("}))


def test_a_tag_filter_needs_a_service_filter():
    with pytest.raises(Invalid, match="Cannot provide tag filter without service filter"):
        check(event(tag_filter="a"))


def test_an_event_is_bounded_in_bytes():
    check(event(name="n" * 12, payload=b"p" * 500))
    with pytest.raises(Invalid, match="user event of 513 bytes exceeds configured limit of 512"):
        check(event(name="n" * 12, payload=b"p" * 501))


def test_the_index_combines_both_halves_of_the_id():
    assert index_of("00000000-0000-0001-0000-000000000003") == 2


@given(st.uuids())
def test_every_id_has_an_index_of_64_bits(event_id):
    assert 0 <= index_of(str(event_id)) < 2**64


def test_the_ring_forgets_the_oldest():
    ring = EventRing()
    for number in range(events.RING_MAX + 10):
        ring.receive(event(number))

    kept = ring.list("")
    assert (len(kept), kept[0], kept[-1]) == (
        events.RING_MAX,
        event(10),
        event(events.RING_MAX + 9),
    )


def test_events_are_listed_by_name():
    ring = EventRing()
    ring.receive(event(1, "a"))
    ring.receive(event(2, "b"))

    assert [found.name for found in ring.list("")] == ["a", "b"]
    assert [found.name for found in ring.list("b")] == ["b"]
    assert ring.list("none") == []


def test_who_waits_is_woken_once():
    ring, woken = EventRing(), []
    ring.wake(lambda: woken.append("a"))
    ring.receive(event())
    ring.receive(event())

    assert woken == ["a"]


def test_who_gives_up_is_forgotten():
    ring, woken = EventRing(), []

    def wake_up() -> None:
        woken.append(1)

    ring.wake(wake_up)
    ring.forget(wake_up)
    ring.forget(wake_up)
    ring.receive(event())

    assert (woken, ring._waiting) == ([], [])


def test_events_that_agents_use_themselves_are_handed_over_and_not_kept():
    ring, taken, woken = EventRing(), [], []
    ring.take("_inner", taken.append)
    ring.wake(lambda: woken.append(1))

    ring.receive(event(1, name="_inner"))

    assert [one.name for one in taken] == ["_inner"]
    assert (ring.list(""), woken) == ([], [])
