import pytest

from proxy.exchange_body import REPLAY_BYTES_MAX, ReplayBody


def test_a_small_body_is_kept():
    body = ReplayBody(is_complete=False)
    body.add(b"a")
    body.add(b"b")
    body.sent()
    assert [b"a", b"b"] == body.parts
    assert body.is_replayable


def test_a_large_body_is_kept_until_it_was_sent():
    body = ReplayBody(is_complete=False)
    body.add(b"a" * REPLAY_BYTES_MAX)
    assert not body.is_full
    body.add(b"b")
    assert body.is_full
    assert 2 == len(body.parts)
    body.sent()
    assert not body.is_replayable
    assert not body.is_full
    body.add(b"c")
    with pytest.raises(AssertionError):
        _ = body.parts
