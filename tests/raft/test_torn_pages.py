"""Pages of the log that never reached the disk, and votes that were torn.

A file is written back by whole pages, in any order; what was synced before stays.
"""

from itertools import combinations
from pathlib import Path

import pytest

from raft.entries import Entry, HardState, Kind
from raft.errors import Corrupt
from raft.files import Files
from raft.records import encode_entry, encode_hard_state
from raft.segments import HEADER_BYTES, list_segments
from raft.wal import Wal
from tests.raft.machines import OTHER_ID, SERVER_ID

PAGE_BYTES = 4096
SEGMENT_BYTES = 16 * PAGE_BYTES
SYNCED_ENTRIES = 9  # 1000 bytes each: they end within the third page
TORN_ENTRIES = 12  # and these reach into the sixth


def opened(directory: Path) -> Wal:
    directory.mkdir(exist_ok=True)
    wal = Wal(directory, SERVER_ID, Files(), segment_bytes=SEGMENT_BYTES)
    try:
        wal.recover()
        if wal.is_empty:
            wal.begin(bytes(16))
    except BaseException:
        wal.close()
        raise
    return wal


def last_index(directory: Path) -> int:
    wal = opened(directory)
    index = wal.last_index
    wal.close()
    return index


def entries(first: int, count: int) -> list[bytes]:
    return [
        encode_entry(Entry(index, 1, Kind.COMMAND, (b"%d," % index * 1000)[:1000]))
        for index in range(first, first + count)
    ]


def two_rounds(directory: Path) -> tuple[Path, bytes, bytes]:
    """The log's file, its content after one round, and after another one."""
    wal = opened(directory)
    wal.write(entries(1, SYNCED_ENTRIES))
    (segment,) = list_segments(directory)
    first = segment.path.read_bytes()
    wal.write(entries(SYNCED_ENTRIES + 1, TORN_ENTRIES))
    wal.close()
    return segment.path, first, segment.path.read_bytes()


def test_any_pages_missing_from_the_last_round_lose_only_that_round(tmp_path: Path) -> None:
    """etcd#5230, #11220, #11488: torn pages were read as corruption, and the log did not start."""
    path, first, second = two_rounds(tmp_path / "wal")
    dirty = [
        at
        for at in range(0, len(second), PAGE_BYTES)
        if first[at : at + PAGE_BYTES] != second[at : at + PAGE_BYTES]
    ]
    assert len(dirty) >= 4

    for count in range(1, len(dirty) + 1):
        for missing in combinations(dirty, count):
            torn = bytearray(second)
            for at in missing:
                torn[at : at + PAGE_BYTES] = first[at : at + PAGE_BYTES]
            path.write_bytes(torn)
            kept = last_index(path.parent)
            assert SYNCED_ENTRIES <= kept < SYNCED_ENTRIES + TORN_ENTRIES
            assert kept == last_index(path.parent)  # the repair is final


def test_zeros_from_any_place_of_the_last_round_on_lose_only_that_round(tmp_path: Path) -> None:
    """etcd#11220: a file system gave zeros for the end of the file."""
    path, first, second = two_rounds(tmp_path / "wal")
    start = len(first.rstrip(b"\0"))
    end = len(second.rstrip(b"\0"))

    for at in range(start, end, 97):
        path.write_bytes(second[:at] + bytes(len(second) - at))
        assert SYNCED_ENTRIES <= last_index(path.parent) < SYNCED_ENTRIES + TORN_ENTRIES


def test_a_page_missing_from_an_earlier_round_is_refused(tmp_path: Path) -> None:
    """What a later round shows to have been acknowledged is not dropped as a torn tail."""
    path, first, second = two_rounds(tmp_path / "wal")
    inside = range(PAGE_BYTES, len(first.rstrip(b"\0")) - PAGE_BYTES, PAGE_BYTES)
    assert len(inside) >= 1

    for at in inside:
        path.write_bytes(second[:at] + bytes(PAGE_BYTES) + second[at + PAGE_BYTES :])
        with pytest.raises(Corrupt, match="had been acknowledged"):
            last_index(path.parent)


def test_a_vote_torn_at_any_byte_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """hashicorp/raft#661: term and vote were two writes, and a crash between allowed another."""
    directory = tmp_path / "wal"
    older, newer = HardState(4, SERVER_ID), HardState(5, OTHER_ID)
    wal = opened(directory)
    wal.write([encode_hard_state(older), *entries(1, 1)])
    (segment,) = list_segments(directory)
    before = segment.path.read_bytes()
    wal.write([encode_hard_state(newer)])
    wal.close()
    after = segment.path.read_bytes()
    start, end = len(before.rstrip(b"\0")), len(after.rstrip(b"\0"))
    assert HEADER_BYTES < start < end

    seen = set()
    for at in range(start, end + 1):
        for torn in (after[:at] + before[at:], before[:at] + after[at:]):
            segment.path.write_bytes(torn)
            wal = opened(directory)
            seen.add(wal.hard_state)
            assert 1 == wal.last_index
            wal.close()

    assert {older, newer} == seen
