import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.broadcast import BroadcastQueue, retransmit_limit
from gossip.core.types import JoinIntent, LamportTime, UserMessage
from tests.gossip.core.solo import vector


def queue(node_count: int = 1, mult: int = 3) -> BroadcastQueue:
    return BroadcastQueue(mult, lambda: node_count)


def message(label: str) -> UserMessage:
    return UserMessage(JoinIntent(LamportTime(1), label))


def labels(entries) -> list[str]:
    return [entry.message.message.node for entry in entries]


@pytest.mark.parametrize(("mult", "count", "limit"), vector("table_retransmit_limit"))
def test_limit_grows_with_the_logarithm_of_the_pool(mult, count, limit):
    """SWIM §4.1: lambda log n transmissions reach everybody with high probability."""
    assert limit == retransmit_limit(mult, count)


def test_message_leaves_after_its_limit_of_packets():
    one = queue(node_count=33, mult=4)
    one.add(message("m"), 10)

    sent = 0
    while one.take(1400, 2, 255):
        sent += 1

    assert 8 == sent
    assert not one


def test_least_sent_goes_first_then_the_largest_then_the_newest():
    one = queue(node_count=9)
    one.add(message("old"), 100)
    assert ["old"] == labels(one.take(150, 2, 255))

    one.add(message("small"), 50)
    one.add(message("equal"), 100)
    one.add(message("newest"), 100)

    assert ["newest", "equal", "small", "old"] == labels(one.take(1000, 2, 255))


def test_largest_that_still_fits_is_taken():
    one = queue()
    for label, size in (("huge", 900), ("middle", 60), ("small", 20)):
        one.add(message(label), size)

    assert ["middle", "small"] == labels(one.take(100, 2, 255))


def test_overhead_counts_for_each_message():
    one = queue()
    one.add(message("a"), 49)
    one.add(message("b"), 49)

    assert 1 == len(one.take(100, 2, 255))
    assert 2 == len(one.take(102, 2, 255))


def test_a_message_is_in_a_packet_once():
    one = queue(node_count=1000)
    one.add(message("m"), 10)

    assert 1 == len(one.take(1400, 2, 255))


def test_packet_takes_no_more_messages_than_it_can_count():
    """hashicorp/memberlist#239: 300 messages of two bytes are 255 and 45."""
    one = queue(mult=1)
    for number in range(300):
        one.add(message(str(number)), 2)

    assert [255, 45] == [len(one.take(10_000, 2, 255)), len(one.take(10_000, 2, 255))]


def test_named_message_replaces_the_older_and_tells_who_waits():
    one, told = queue(), []
    one.add(message("old"), 10, name="n1", done=lambda: told.append("old"))
    one.add(message("other"), 10, name="n2")
    one.add(message("new"), 10, name="n1", done=lambda: told.append("new"))

    assert ["old"] == told
    assert {"new", "other"} == set(labels(one.take(1400, 2, 255)))


def test_replacing_finds_a_message_that_was_sent_before():
    one = queue(node_count=9)
    one.add(message("old"), 10, name="n1")
    one.take(1400, 2, 255)
    one.add(message("new"), 10, name="n1")

    assert ["new"] == labels(one.take(1400, 2, 255))
    assert 1 == len(one)


def test_done_is_called_at_the_limit():
    one, told = queue(mult=1), []
    one.add(message("m"), 10, done=lambda: told.append("m"))
    one.take(1400, 2, 255)

    assert ["m"] == told


def test_prune_drops_the_most_sent_then_the_shortest_then_the_oldest():
    one = queue(node_count=9)
    one.add(message("sent"), 500)
    one.take(1400, 2, 255)
    for label, size in (("large", 30), ("first", 10), ("second", 10)):
        one.add(message(label), size)

    assert 2 == one.prune(2)
    assert ["large", "second"] == labels(one.take(1400, 2, 255))


def test_queue_is_bounded_at_any_time(monkeypatch):
    monkeypatch.setattr("gossip.core.broadcast.QUEUE_MESSAGES_MAX", 10)
    one = queue()
    for number in range(50):
        one.add(message(str(number)), 10)

    assert 10 == len(one)


@given(
    st.lists(st.tuples(st.integers(1, 1500), st.one_of(st.just(""), st.sampled_from("abc")))),
    st.integers(0, 2000),
    st.integers(1, 200),
)
def test_packets_never_exceed_their_room_and_the_queue_drains(adds, room, nodes):
    one = queue(node_count=nodes)
    for size, name in adds:
        one.add(message(name), size, name=name)
    fitting = {size for size, _ in adds if size + 2 <= room}

    for _ in range(4 * 9 * (len(adds) + 1)):
        entries = one.take(room, 2, 255)
        assert sum(entry.bytes + 2 for entry in entries) <= room
        if not entries:
            break

    assert not fitting & {entry.bytes for tier in one._tiers for entry in tier}
