import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.types import ConflictVote, KeyRequest, KeyResponse, Payloads
from gossip.wire.payloads import WirePayloads
from tests.gossip.wire.strategies import inner_payloads, tags

PAYLOADS: Payloads = WirePayloads()


@given(tags)
def test_tags_come_back(some):
    assert PAYLOADS.decode_tags(PAYLOADS.encode_tags(some)) == some


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        (b"", {"role": ""}),
        (b"web", {"role": "web"}),
        (b"\xff\x80", {}),
        (b"\xff\xc0", {}),
        (b"\xff", {}),
        (b"\xff\x81", {}),
        (b"\xff\x81\xa1a\x05", {}),
        (b"\xff\x81\xa1a\xc0", {"a": ""}),
        (b"\xff\xdf\xff\xff\xff\xff", {}),
    ],
)
def test_a_meta_is_tags_or_a_role_or_nothing(meta, expected):
    assert PAYLOADS.decode_tags(meta) == expected


@given(inner_payloads)
def test_payloads_come_back(payload):
    assert PAYLOADS.decode(PAYLOADS.encode(payload)) == payload


def test_an_unknown_member_is_nil():
    assert PAYLOADS.encode(ConflictVote(None)) == b"\x06\xc0"


def test_no_key_is_empty_and_no_keys_are_nil():
    assert PAYLOADS.encode(KeyRequest()) == b"\x07\x81\xa3Key\xa0"
    assert b"\xa4Keys\xc0" in PAYLOADS.encode(KeyResponse(result=True))


@given(st.binary(max_size=200))
def test_random_bytes_never_raise(payload):
    assert isinstance(PAYLOADS.decode_tags(payload), dict)
    PAYLOADS.decode(payload)
    PAYLOADS.decode(b"\x06" + payload)
