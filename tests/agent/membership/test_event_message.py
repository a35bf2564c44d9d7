"""The bytes of user events."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.membership.event_message import MalformedEvent, decode, encode
from agent.membership.events import UserEvent
from catalog.errors import Invalid

ID = "54e8d926-a44d-5d53-581d-6adf11ab2492"
CAPTURED = bytes.fromhex(
    "85a24944d92435346538643932362d613434642d356435332d353831642d366164663131616232343932"
    "a16ea66465706c6f79a26e66a22e2aa170c40568656c6c6fa17601"
)
texts = st.text(max_size=20)


def test_what_a_real_agent_sent_is_read():
    expected = UserEvent(id=ID, name="deploy", payload=b"hello", node_filter=".*", l_time=2)

    assert expected == decode(CAPTURED, 2)


def test_what_is_empty_is_left_out():
    name, payload = encode(UserEvent(id=ID, name="deploy"))

    assert "consul:event:deploy" == name
    assert {b"ID": ID.encode(), b"n": b"deploy", b"v": 1} == msgpack.unpackb(payload, raw=True)


@given(
    st.builds(
        UserEvent,
        id=st.uuids().map(str),
        name=texts,
        payload=st.binary(max_size=100),
        node_filter=texts,
        service_filter=texts,
        tag_filter=texts,
        l_time=st.integers(0, 2**63),
    )
)
def test_events_survive_the_way(event):
    assert event == decode(encode(event)[1], event.l_time)


@pytest.mark.parametrize(("size", "words"), [(500, "before encoding"), (400, "after encoding")])
def test_too_large_an_event_is_refused(size, words):
    with pytest.raises(Invalid, match=f"user event of \\d+ bytes exceeds .* limit of 512.*{words}"):
        encode(UserEvent(id=ID, name="deploy", payload=bytes(size)))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_malformed(payload):
    try:
        decode(payload, 1)
    except MalformedEvent:
        return


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {"ID": "no uuid"},
        {"ID": 1},
        {"ID": ID, "v": "1"},
        {"ID": ID, "n": 1},
        {"ID": ID, "p": {"a": 1}},
    ],
)
def test_what_is_no_event_says_so(fields):
    with pytest.raises(MalformedEvent):
        decode(msgpack.packb(fields), 1)
