"""Claims about what a snapshot consists of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.records import Share, shares, shown_size
from catalog.rows.kv import KeyValue
from tests.agent.cli.archives import state


def test_rows_are_counted_by_table_largest_first():
    raw = state({"kvs": 7}, [KeyValue(key="k", value=b"v" * 500)] * 3)

    found = shares(raw)

    assert [(share.name, share.count) for share in found] == [("kvs", 3), ("index", 1)]
    assert sum(share.size_bytes for share in found) == len(raw) - len(state({}, []))


def test_unknown_table_is_shown_by_its_tag():
    assert shares(state({}, []) + b"\0\0\0\1\xc8x") == [Share("tag 200", 1, 6)]


def test_cut_state_and_other_layouts_have_no_shares():
    raw = state({}, [KeyValue(key="k")])

    assert shares(raw[:-1]) == []
    assert shares(b"\x81\xa6header") == []
    assert shares(b"") == []


@given(st.binary(max_size=64))
def test_any_bytes_are_described_or_not(raw):
    assert sum(share.size_bytes for share in shares(raw)) <= len(raw)


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1KB"),
        (1850, "1.8KB"),
        (3 << 20, "3MB"),
        (5 << 30, "5GB"),
    ],
)
def test_sizes_are_short(size_bytes, expected):
    assert shown_size(size_bytes) == expected
