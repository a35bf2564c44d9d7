import struct
import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.types import (
    NO_VERSIONS,
    Ack,
    Address,
    ErrorReply,
    NodeState,
    Ping,
    PushPull,
    State,
    Versions,
)
from gossip.wire import stream as module
from gossip.wire.envelope import Wrapping, compressed
from gossip.wire.errors import Reason, WireError
from gossip.wire.keyring import Keyring
from gossip.wire.stream import StreamReader, encode_stream, seal_stream
from tests.gossip.wire.strategies import stream_messages

KEY = bytes(16)
PLAIN = Wrapping(Keyring(), compression=False)
SEALED = Wrapping(Keyring(KEY), label=b"blue")
HERE = Address(bytes([10, 0, 0, 1]), 8301)
NODE = NodeState("a", HERE, b"", 1, State.ALIVE, Versions(1, 5, 2, 2, 5, 4))

wrappings = st.builds(
    Wrapping,
    st.sampled_from([Keyring(), Keyring(KEY)]),
    label=st.sampled_from([b"", b"blue"]),
    compression=st.booleans(),
)


def nonce():
    return bytes(12)


def read(stream, wrapping=PLAIN, *, from_dialer=True, piece_bytes=65536):
    reader = StreamReader(wrapping, from_dialer=from_dialer)
    for start in range(0, len(stream), piece_bytes):
        message = reader.feed(stream[start : start + piece_bytes])
        if message is not None:
            return message, reader.faults
    raise reader.end()


def refusal(stream, wrapping=PLAIN, *, from_dialer=True):
    with pytest.raises(WireError) as refused:
        read(stream, wrapping, from_dialer=from_dialer)
    return refused.value.reason


def raw_push_pull(*nodes, state=b"", **header):
    fields = {"Nodes": len(nodes), "UserStateLen": len(state), "Join": True} | header
    packed = [msgpack.packb(part, use_bin_type=False) for part in (fields, *nodes)]
    return b"\x06" + b"".join(packed) + state


def raw_node(**changes):
    fields = {"Name": "a", "Addr": HERE.ip, "Port": HERE.port, "Incarnation": 1, "State": 0}
    return fields | {"Vsn": bytes(NODE.versions)} | changes


@given(stream_messages, wrappings, st.booleans(), st.sampled_from([1, 7, 65536]))
def test_every_message_comes_back_in_pieces_of_any_size(message, wrapping, dialer, piece_bytes):
    stream = seal_stream(message, wrapping, nonce, dialer=dialer)

    expected = (message, [])
    assert expected == read(stream, wrapping, from_dialer=dialer, piece_bytes=piece_bytes)


@given(stream_messages, wrappings, st.data())
def test_a_cut_stream_is_incomplete_and_never_a_message(message, wrapping, data):
    stream = seal_stream(message, wrapping, nonce, dialer=True)
    cut = stream[: data.draw(st.integers(0, len(stream) - 1))]

    assert refusal(cut, wrapping) is (Reason.TRUNCATED if cut else Reason.EMPTY)


def test_only_the_dialer_sends_the_label_and_both_sign_it():
    request = seal_stream(Ping(1, "b"), SEALED, nonce, dialer=True)
    reply = seal_stream(Ping(1, "b"), SEALED, nonce, dialer=False)

    assert request == b"\xf4\x04blue" + reply
    head, payload = reply[:5], reply[5:]
    assert head == struct.pack(">BI", 10, len(payload))
    plain = Keyring(KEY).decrypt(payload, associated=head + b"blue")
    assert plain == compressed(encode_stream(Ping(1, "b")))


def test_a_stream_is_compressed_even_when_it_grows():
    wrapping = Wrapping(Keyring())

    assert seal_stream(Ack(1), wrapping, nonce, dialer=True) == compressed(encode_stream(Ack(1)))


def test_plaintext_is_refused_when_encryption_is_required():
    stream = encode_stream(Ping(1, "b"))

    assert refusal(stream, Wrapping(Keyring(KEY))) is Reason.PLAINTEXT
    lenient = Wrapping(Keyring(KEY), verify_incoming=False)
    assert read(stream, lenient) == (Ping(1, "b"), [])


def test_an_encrypted_stream_is_refused_without_a_key():
    stream = seal_stream(Ping(1, "b"), Wrapping(Keyring(KEY)), nonce, dialer=True)

    assert refusal(stream) is Reason.ENCRYPTED


def test_other_framing_bytes_are_undecryptable():
    # Valid under the packet rules, where the label alone is signed.
    payload = Keyring(KEY).encrypt(encode_stream(Ack(1)), nonce=nonce(), associated=b"")

    stream = struct.pack(">BI", 10, len(payload)) + payload
    assert refusal(stream, Wrapping(Keyring(KEY))) is Reason.UNDECRYPTABLE


@pytest.mark.parametrize("from_dialer", [True, False])
def test_a_label_is_required_of_the_dialer_and_refused_in_the_reply(from_dialer):
    wrapping = Wrapping(Keyring(), label=b"blue")
    request = seal_stream(Ping(1, "b"), wrapping, nonce, dialer=not from_dialer)

    expected = Reason.LABEL if from_dialer else Reason.UNSUPPORTED
    assert refusal(request, wrapping, from_dialer=from_dialer) is expected


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\xff", Reason.UNSUPPORTED),
        (b"\x03\x80", Reason.UNSUPPORTED),
        (b"\xf4\x00", Reason.LABEL),
        (b"\xf4\x04blue\x00\x80", Reason.LABEL),
        (b"\x0a\xff\xff\xff\xff", Reason.ENCRYPTED),
        (b"\x00\x05", Reason.MALFORMED),
        (b"\x00\xc1", Reason.MALFORMED),
        (b"\x00\xdb\x00\x00\xff\xff", Reason.OVERSIZED),
        (b"\x00" + b"\x91" * 100, Reason.OVERSIZED),
        (b"\x09\x80", Reason.TRUNCATED),
        (b"\x09\xdb\x7f\xff\xff\xff", Reason.OVERSIZED),
        (compressed(b""), Reason.EMPTY),
        (compressed(b"\x00"), Reason.TRUNCATED),
        (compressed(b"\x00\x82"), Reason.TRUNCATED),
        (compressed(compressed(b"\x00\x80")), Reason.UNSUPPORTED),
        (compressed(raw_push_pull(Nodes=3)), Reason.TRUNCATED),
        (b"\x08\x80", Reason.EMPTY),
        (b"\x08\x81\xaaUserMsgLen\x01\x02", Reason.UNSUPPORTED),
        (b"\x08\x81\xaaUserMsgLen\xce\x7f\xff\xff\xff", Reason.OVERSIZED),
        (b"\x08\x81\xaaUserMsgLen\xff", Reason.MALFORMED),
        (raw_push_pull(Nodes=2**20 + 1), Reason.OVERSIZED),
        (raw_push_pull(Nodes=-1), Reason.MALFORMED),
        (raw_push_pull(UserStateLen=2**31), Reason.OVERSIZED),
        (raw_push_pull(UserStateLen=-1), Reason.MALFORMED),
        (raw_push_pull(raw_node(Meta=bytes(70_000))), Reason.OVERSIZED),
    ],
)
def test_broken_streams_are_refused_with_their_reason(stream, reason):
    assert refusal(stream) is reason


def test_a_sealed_length_over_its_limit_is_refused_at_once():
    assert refusal(b"\x0a\x7f\xff\xff\xff", Wrapping(Keyring(KEY))) is Reason.OVERSIZED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Name": ""}, Reason.MALFORMED),
        ({"Name": "n" * 513}, Reason.OVERSIZED),
        ({"Addr": b"abc"}, Reason.MALFORMED),
        ({"Meta": bytes(600)}, Reason.OVERSIZED),
        ({"State": 4}, Reason.MALFORMED),
    ],
)
def test_a_bad_node_is_left_out_and_noted(changes, reason):
    message, faults = read(raw_push_pull(raw_node(), raw_node(**changes), raw_node()))

    assert message == PushPull((NODE, NODE), join=True)
    assert [fault.reason for fault in faults] == [reason]


def test_the_notes_of_a_stream_are_limited():
    _, faults = read(raw_push_pull(*[raw_node(Name="")] * 100))

    assert len(faults) == 64


def test_a_node_with_a_short_version_array_has_no_versions():
    message, _ = read(raw_push_pull(raw_node(Vsn=b"\x01\x05")))

    assert message.nodes[0].versions == NO_VERSIONS


@pytest.mark.parametrize("state", [b"\x03\x80", b"\x02", b"\x02\xa1a"])
def test_a_user_state_that_cannot_be_read_is_left_out_and_noted(state):
    message, faults = read(raw_push_pull(raw_node(), state=state))

    assert message == PushPull((NODE,), join=True)
    assert len(faults) == 1


@pytest.mark.parametrize(
    "stream",
    [
        raw_push_pull(UserStateLen=20 * 1024 * 1024),
        raw_push_pull(Nodes=2**20),
        b"\x08\x81\xaaUserMsgLen\xce\x01\x40\x00\x00",
        b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\x01\x00\x00\x00",
        b"\x02\x81\xa7Payload\xdc\x03\xe8",
    ],
)
def test_a_declared_size_allocates_nothing(stream):
    tracemalloc.start()
    reader = StreamReader(PLAIN, from_dialer=True)
    assert reader.feed(stream) is None
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 64 * 1024


def test_a_stream_has_a_limit_in_sum(monkeypatch):
    monkeypatch.setattr(module, "STREAM_BYTES_MAX", 1000)
    reader = StreamReader(PLAIN, from_dialer=True)
    reader.feed(raw_push_pull(UserStateLen=5000))
    reader.feed(bytes(900))

    with pytest.raises(WireError) as refused:
        reader.feed(bytes(200))

    assert refused.value.reason is Reason.OVERSIZED


@pytest.mark.parametrize("wrapping", [PLAIN, SEALED])
def test_a_stream_over_the_limit_is_not_written(monkeypatch, wrapping):
    monkeypatch.setattr(module, "STREAM_BYTES_MAX", 1000)
    monkeypatch.setattr(module, "SEALED_BYTES_MAX", 1000)
    varied = "".join(chr(index * index % 700 + 48) for index in range(2000))

    with pytest.raises(WireError) as refused:
        seal_stream(ErrorReply(varied), wrapping, nonce, dialer=True)

    assert refused.value.reason is Reason.OVERSIZED


@given(st.binary(max_size=200), st.sampled_from([PLAIN, SEALED]), st.booleans())
def test_random_bytes_are_incomplete_a_message_or_an_error(stream, wrapping, from_dialer):
    for prefix in (b"", b"\x06", b"\x08", b"\x09", b"\x0a", b"\xf4\x04blue"):
        reader = StreamReader(wrapping, from_dialer=from_dialer)
        try:
            reader.feed(prefix + stream)
        except WireError:
            continue
