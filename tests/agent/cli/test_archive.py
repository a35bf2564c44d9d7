"""Claims about snapshot archives. Source: surface.md §1.11."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cli.archive import verify
from agent.cli.failure import Failure
from tests.agent.cli.archives import archive


def test_whole_archive_gives_its_metadata():
    found = verify(archive({"Index": 63}, b"state"))

    assert found.meta == {"Index": 63}
    assert found.state == b"state"


def test_wrong_sum_and_missing_member_are_refused():
    with pytest.raises(Failure, match=r'hash check failed for "state\.bin"'):
        verify(archive({}, b"state", summed_state=b"other"))
    with pytest.raises(Failure, match="SHA256SUMS"):
        verify(archive({}, b"state", with_sums=False))


@given(st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=60)
def test_damaged_archive_is_refused_or_still_whole(position, byte):
    raw = archive({"Index": 1}, b"state" * 50)
    damaged = bytearray(raw)
    damaged[position % len(raw)] = byte

    try:
        found = verify(bytes(damaged))
    except Failure:
        return
    assert found == verify(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(raw):
    with pytest.raises(Failure, match="failed to read snapshot archive"):
        verify(raw)
