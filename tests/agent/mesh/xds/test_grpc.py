import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.mesh.xds.grpc import MESSAGE_BYTES_MAX, BadFrame, Messages, wrapped


@given(messages=st.lists(st.binary(max_size=50), max_size=5), cut=st.integers(1, 20))
def test_messages_come_out_however_they_are_cut(messages: list[bytes], cut: int) -> None:
    body = b"".join(wrapped(message) for message in messages)
    reader = Messages()

    found = [m for at in range(0, len(body), cut) for m in reader.feed(body[at : at + cut])]

    assert messages == found


@pytest.mark.parametrize(
    "frame", [b"\1\0\0\0\1x", b"\0" + (MESSAGE_BYTES_MAX + 1).to_bytes(4, "big")]
)
def test_compressed_and_oversized_messages_are_refused(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        Messages().feed(frame)
