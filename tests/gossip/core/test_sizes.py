"""The computed sizes are those of the encoder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.sizes import integer_bytes, message_bytes
from gossip.core.types import (
    NO_VERSIONS,
    Ack,
    Address,
    Alive,
    Coordinate,
    Dead,
    IndirectPing,
    JoinIntent,
    LeaveIntent,
    Nack,
    NodeFilter,
    Ping,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    Suspect,
    TagFilter,
    UnknownFilter,
    UserEvent,
    UserMessage,
)
from gossip.wire.messages import encode_packet

integers32 = st.integers(0, (1 << 32) - 1)
integers64 = st.integers(0, (1 << 64) - 1)
texts = st.text(max_size=80)
blobs = st.binary(max_size=400)
addresses = st.builds(
    Address, st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
    st.integers(0, 65535),
)  # fmt: skip
sources = st.one_of(st.none(), addresses)
filters = st.one_of(
    st.builds(NodeFilter, st.lists(texts, max_size=20).map(tuple)),
    st.builds(TagFilter, texts, texts),
    st.builds(UnknownFilter, st.binary(min_size=1, max_size=40)),
)
flags = st.sampled_from([QueryFlag.NONE, QueryFlag.ACK, QueryFlag.ACK | QueryFlag.NO_BROADCAST])
responses = st.builds(QueryResponse, integers64, integers32, texts, flags, blobs)
coordinates = st.builds(
    Coordinate,
    st.lists(st.floats(allow_nan=False), min_size=8, max_size=8).map(tuple),
    st.floats(0, 1.5), st.floats(-1, 1), st.floats(0, 1),
)  # fmt: skip
cluster = st.one_of(
    st.builds(LeaveIntent, integers64, texts, st.booleans()),
    st.builds(JoinIntent, integers64, texts),
    st.builds(UserEvent, integers64, texts, blobs, st.booleans()),
    st.builds(
        Query, integers64, integers32, addresses, texts, st.lists(filters, max_size=18).map(tuple),
        flags, st.integers(0, 255), st.integers(0, (1 << 63) - 1), texts, blobs,
    ),
    responses,
    st.builds(Relay, addresses, texts, responses),
)  # fmt: skip
messages = st.one_of(
    st.builds(Ping, integers32, texts, sources, texts),
    st.builds(IndirectPing, integers32, addresses, texts, st.booleans(), sources, texts),
    st.builds(Ack, integers32, st.one_of(st.none(), coordinates)),
    st.builds(Nack, integers32),
    st.builds(Suspect, integers32, texts, texts),
    st.builds(Dead, integers32, texts, texts),
    st.builds(Alive, integers32, texts, addresses, blobs, st.just(NO_VERSIONS)),
    st.builds(UserMessage, cluster),
)


@given(messages)
def test_size_is_exactly_what_the_encoder_writes(message):
    assert len(encode_packet(message)) == message_bytes(message)


@pytest.mark.parametrize(
    ("value", "size"),
    [(0, 1), (127, 1), (128, 2), (255, 2), (256, 3), (65535, 3), (65536, 5), (1 << 32, 9)],
)
def test_integer_takes_its_smallest_form(value, size):
    assert size == integer_bytes(value)
