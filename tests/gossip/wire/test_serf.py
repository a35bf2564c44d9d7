import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.types import (
    Address,
    ClusterState,
    EventBody,
    EventSlot,
    NodeFilter,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    UnknownFilter,
    UserEvent,
)
from gossip.wire.errors import Reason, WireError
from gossip.wire.serf import decode_cluster, decode_state, encode_cluster, encode_state
from tests.gossip.wire.strategies import cluster, states

HERE = Address(bytes([10, 0, 0, 1]), 8301)
QUERY = Query(1, 2, HERE, "a", (), QueryFlag.ACK, 0, 10**9, "up", b"")


def raw_query(**changes):
    fields = {"LTime": 1, "ID": 2, "Addr": HERE.ip, "Port": HERE.port, "SourceNode": "a"}
    fields |= {"Flags": 1, "Timeout": 10**9, "Name": "up"}
    return b"\x04" + msgpack.packb(fields | changes, use_bin_type=False)


def raw_state(**changes):
    return b"\x02" + msgpack.packb(changes, use_bin_type=False)


@given(cluster)
def test_every_message_comes_back(message):
    assert message == decode_cluster(encode_cluster(message))


@given(states)
def test_every_state_comes_back(state):
    assert state == decode_state(encode_state(state))


def test_an_empty_payload_is_written_as_nil():
    packed = encode_cluster(UserEvent(1, "e", b"", coalesce=False))

    assert packed == b"\x03\x84\xa2CC\xc2\xa5LTime\x01\xa4Name\xa1e\xa7Payload\xc0"


def test_no_filters_are_written_as_nil_and_read_from_any_absence():
    assert b"\xa7Filters\xc0" in encode_cluster(QUERY)
    assert decode_cluster(raw_query()) == QUERY
    assert decode_cluster(raw_query(Filters=None)) == QUERY
    assert decode_cluster(raw_query(Filters=[])) == QUERY


@pytest.mark.parametrize(
    "condition", [b"", b"\x00", b"\x00\x05", b"\x00\x91\x05", b"\x01", b"\x01\xa1a", b"\x07\xc0"]
)
def test_a_filter_that_cannot_be_read_is_passed_on_unchanged(condition):
    query = decode_cluster(raw_query(Filters=[condition]))

    assert query.filters == (UnknownFilter(condition),)
    assert decode_cluster(encode_cluster(query)) == query


def test_a_filter_of_no_nodes_is_read():
    assert decode_cluster(raw_query(Filters=[b"\x00\x90"])).filters == (NodeFilter(()),)


def test_a_negative_timeout_is_malformed():
    with pytest.raises(WireError) as refused:
        decode_cluster(raw_query(Timeout=-1))

    assert refused.value.reason is Reason.MALFORMED


def test_the_filters_must_be_an_array():
    with pytest.raises(WireError) as refused:
        decode_cluster(raw_query(Filters=5))

    assert refused.value.reason is Reason.MALFORMED


def test_unknown_flags_are_kept():
    query = decode_cluster(raw_query(Flags=0x81))

    assert query.flags == QueryFlag(0x81)
    assert QueryFlag.ACK in query.flags


@pytest.mark.parametrize(
    "inner", [b"", b"\x03\x80", b"\x09\x80"], ids=["nothing", "an event", "a relay"]
)
def test_a_relay_passes_on_responses_only(inner):
    header = msgpack.packb({"DestAddr": {"IP": HERE.ip, "Port": 1}, "DestName": "b"})

    with pytest.raises(WireError) as refused:
        decode_cluster(b"\x09" + header + inner)

    assert refused.value.reason is Reason.UNSUPPORTED


def test_a_relay_is_the_header_and_the_response():
    response = QueryResponse(1, 2, "a", QueryFlag.NONE, b"x")
    packed = encode_cluster(Relay(HERE, "b", response))

    assert packed.endswith(encode_cluster(response))


def test_an_event_over_nine_kibibytes_is_oversized():
    with pytest.raises(WireError) as refused:
        decode_cluster(encode_cluster(UserEvent(1, "e", bytes(9 * 1024), coalesce=False)))

    assert refused.value.reason is Reason.OVERSIZED


def test_a_slot_stands_at_its_place_in_the_ring():
    slot = EventSlot(515, (EventBody("e", b"x"),))
    packed = encode_state(ClusterState(1, {}, (), 516, (slot,), 1))

    ring = msgpack.unpackb(packed[1:])["Events"]
    assert len(ring) == 512
    assert [place for place, filled in enumerate(ring) if filled] == [3]


def test_an_empty_ring_is_written_as_nil():
    assert b"\xa6Events\xc0" in encode_state(ClusterState(1, {}, (), 1, (), 1))


def test_a_bad_name_or_slot_is_left_out_of_a_state():
    state = decode_state(
        raw_state(
            StatusLTimes={"": 1, "n" * 513: 2, "good": 3, "bad": -1},
            LeftMembers=["", "left", 5],
            Events=[None, {"LTime": -1}, {"LTime": 7, "Events": [{"Name": "e"}]}, 5],
        )
    )

    assert state.status_times == {"good": 3}
    assert state.left_members == ("left",)
    assert state.events == (EventSlot(7, (EventBody("e", b""),)),)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"", Reason.UNSUPPORTED),
        (b"\x03\x80", Reason.UNSUPPORTED),
        (b"\x02", Reason.TRUNCATED),
        (b"\x02\x81\xa5LTime", Reason.TRUNCATED),
        (b"\x02\xa1a", Reason.MALFORMED),
        (b"\x02\x81\xa6Events\xdd\xff\xff\xff\xff", Reason.OVERSIZED),
        (b"\x02" + b"\x91" * 20 + b"\x01", Reason.OVERSIZED),
    ],
)
def test_broken_states_are_refused_with_their_reason(packed, reason):
    with pytest.raises(WireError) as refused:
        decode_state(packed)

    assert refused.value.reason is reason


@given(st.binary(max_size=300))
def test_random_bytes_are_a_message_or_an_error(packed):
    for read in (decode_cluster, decode_state):
        try:
            assert read(packed) is not None
        except WireError:
            continue
