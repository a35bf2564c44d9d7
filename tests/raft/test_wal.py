"""The log on real files: torn at every byte, damaged everywhere, rolled, cut and released."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raft.entries import Entry, HardState, Kind, Mark
from raft.errors import Corrupt, IdentityMismatch
from raft.files import Files
from raft.records import (
    encode_entry,
    encode_hard_state,
    encode_mark,
    encode_truncate,
    framed_bytes,
)
from raft.segments import HEADER_BYTES, list_segments
from raft.wal import Wal
from tests.raft.machines import OTHER_ID, SERVER_ID, CountingFiles

CLUSTER = bytes(16)
SEGMENT_BYTES = 2048


@contextmanager
def opened(
    directory: Path, *, files: Files | None = None, server_id: str = SERVER_ID
) -> Iterator[Wal]:
    directory.mkdir(exist_ok=True)
    wal = Wal(directory, server_id, files or Files(), segment_bytes=SEGMENT_BYTES)
    try:
        wal.recover()
        if wal.is_empty:
            wal.begin(CLUSTER)
        yield wal
    finally:
        wal.close()


def entry(index: int, term: int = 1, payload: bytes = b"payload") -> Entry:
    return Entry(index, term, Kind.COMMAND, payload + b"%d" % index)


def bodies(first: int, last: int, term: int = 1) -> list[bytes]:
    return [encode_entry(entry(index, term)) for index in range(first, last + 1)]


def contents(wal: Wal) -> list[Entry]:
    return list(wal.entries(wal.first_index, wal.last_index))


def three_rounds(directory: Path) -> tuple[Path, int, int]:
    """Entries 1-2, 3-4 and 5-7 in three rounds: (file, start and end of the last round)."""
    with opened(directory) as wal:
        wal.write([encode_hard_state(HardState(1, SERVER_ID)), *bodies(1, 2)])
        wal.write(bodies(3, 4))
        wal.write(bodies(5, 7))
    (segment,) = list_segments(directory)
    entry_bytes = framed_bytes(len(bodies(1, 1)[0]))
    hard_state_bytes = framed_bytes(len(encode_hard_state(HardState(1, SERVER_ID))))
    last_round = HEADER_BYTES + hard_state_bytes + 4 * entry_bytes
    return segment.path, last_round, last_round + 3 * entry_bytes


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    three_rounds(tmp_path / "wal")

    with opened(tmp_path / "wal") as wal:
        assert [entry(index) for index in range(1, 8)] == contents(wal)
        assert HardState(1, SERVER_ID) == wal.hard_state
        assert (wal.first_index, wal.last_index, wal.last_term) == (1, 7, 1)


def test_one_round_is_one_sync(tmp_path: Path) -> None:
    files = CountingFiles()
    with opened(tmp_path / "wal", files=files) as wal:
        before = files.content_syncs

        wal.write(bodies(1, 20))

        assert before + 1 == files.content_syncs


def test_file_cut_at_every_byte_of_the_last_round_loses_only_that_round(tmp_path: Path) -> None:
    """etcd#5230, #11220, #11488: a torn tail was taken for corruption, and the other way round."""
    original, start, end = three_rounds(tmp_path / "wal")
    content = original.read_bytes()

    for cut in range(start, end):
        directory = tmp_path / f"cut-{cut}"
        directory.mkdir()
        (directory / original.name).write_bytes(content[:cut])
        with opened(directory) as wal:
            assert 4 <= wal.last_index <= 7  # 7 when only padding is gone
            wal.write(bodies(wal.last_index + 1, 9, term=2))
        with opened(directory) as wal:
            assert (wal.last_index, wal.last_term) == (9, 2)
        shutil.rmtree(directory)


def test_recovery_writes_the_last_round_anew_before_it_syncs(tmp_path: Path) -> None:
    """After a failed sync the pages look clean, and a plain sync would report success."""
    path, start, end = three_rounds(tmp_path / "wal")
    written: list[tuple[int, int]] = []

    class Watched(CountingFiles):
        def write_at(self, descriptor: int, content: bytes | memoryview, offset: int) -> None:
            written.append((offset, offset + len(content)))
            super().write_at(descriptor, content, offset)

    files = Watched()
    content = path.read_bytes()
    with opened(tmp_path / "wal", files=files):
        assert [(start, end)] == written
        assert files.content_syncs == 1

    assert content == path.read_bytes()


def test_file_cut_in_its_header_is_refused(tmp_path: Path) -> None:
    """The header is on disk before the file has its name: no crash leaves this behind."""
    path, _, _ = three_rounds(tmp_path / "wal")
    content = path.read_bytes()

    for cut in range(HEADER_BYTES):
        path.write_bytes(content[:cut])
        with pytest.raises(Corrupt, match="cut short"), opened(tmp_path / "wal"):
            pass


@pytest.mark.parametrize("filler", [b"\0", b"\xff"], ids=["zeros", "noise"])
def test_sectors_missing_from_the_last_round_lose_only_that_round(
    tmp_path: Path, filler: bytes
) -> None:
    """Sectors of an unsynced write reach the disk in any order: good ones may follow bad ones."""
    original, start, end = three_rounds(tmp_path / "wal")
    content = original.read_bytes()

    for missing in range(start, end):
        torn = bytearray(content)
        torn[missing : missing + 24] = (filler * 24)[: len(torn[missing : missing + 24])]
        directory = tmp_path / f"torn-{missing}"
        directory.mkdir()
        (directory / original.name).write_bytes(torn)
        with opened(directory) as wal:
            assert 4 <= wal.last_index <= 7
            last = wal.last_index
            assert [entry(index) for index in range(1, last + 1)] == contents(wal)
        with opened(directory) as wal:  # the repair is final
            assert last == wal.last_index
        shutil.rmtree(directory)


def test_damage_before_the_last_round_is_refused_at_every_byte(tmp_path: Path) -> None:
    original, start, _ = three_rounds(tmp_path / "wal")
    content = original.read_bytes()

    outcomes = []
    for at in range(HEADER_BYTES, start):
        damaged = bytearray(content)
        damaged[at] ^= 0x80
        original.write_bytes(damaged)
        outcomes.append(recovered(tmp_path / "wal"))

    lossless = [outcome for outcome in outcomes if outcome == 7]  # a padding byte was hit
    refused = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(lossless) + len(refused) == len(outcomes)
    assert len(lossless) < len(outcomes) * 0.2
    assert all(original.name in message for message in refused)


def recovered(directory: Path) -> int | str:
    """The last index after recovery, or why it was refused."""
    try:
        with opened(directory) as wal:
            return wal.last_index
    except Corrupt as error:
        return str(error)


def test_log_of_another_server_is_refused(tmp_path: Path) -> None:
    three_rounds(tmp_path / "wal")

    with (
        pytest.raises(IdentityMismatch, match=OTHER_ID),
        opened(tmp_path / "wal", server_id=OTHER_ID),
    ):
        pass


def test_log_rolls_through_segments_and_carries_its_hard_state(tmp_path: Path) -> None:
    with opened(tmp_path / "wal") as wal:
        wal.write([encode_hard_state(HardState(4, SERVER_ID, 0))])
        for index in range(1, 201):
            wal.write(bodies(index, index))
        wal.release(150)
        assert len(list_segments(tmp_path / "wal")) > 1

    with opened(tmp_path / "wal") as wal:
        assert HardState(4, SERVER_ID, 0) == wal.hard_state
        assert wal.last_index == 200
        assert 1 < wal.first_index <= 150
        assert entry(150) == next(wal.entries(150, 200))


def test_a_round_larger_than_a_segment_gets_one_of_its_size(tmp_path: Path) -> None:
    large = Entry(1, 1, Kind.COMMAND, bytes(3 * SEGMENT_BYTES))
    with opened(tmp_path / "wal") as wal:
        wal.write([encode_entry(large)])
        wal.write(bodies(2, 2))

    with opened(tmp_path / "wal") as wal:
        assert [large, entry(2)] == contents(wal)


def test_a_segment_has_its_name_only_once_its_header_is_durable(tmp_path: Path) -> None:
    files = CountingFiles()
    with opened(tmp_path / "wal", files=files) as wal:
        files.calls.clear()
        wal.write([encode_entry(Entry(1, 1, Kind.COMMAND, bytes(SEGMENT_BYTES)))])

    zeros, header, entry_itself = ["write_at", "sync"], ["write_at", "sync_content"], ["write_at"]
    named = ["rename", "sync_directory wal"]
    assert [*zeros, *header, *named, *entry_itself, "sync_content"] == files.calls[:8]


def test_damage_in_an_earlier_segment_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "wal") as wal:
        for index in range(1, 101):
            wal.write(bodies(index, index))
    first = list_segments(tmp_path / "wal")[0].path
    content = bytearray(first.read_bytes())
    last_record = content.rindex(b"payload")

    content[last_record] ^= 1
    first.write_bytes(content)

    with pytest.raises(Corrupt, match="damaged or missing"), opened(tmp_path / "wal"):
        pass


def test_commit_beyond_the_end_is_refused(tmp_path: Path) -> None:
    """The hint never runs ahead of the disk, so what it names had been there."""
    with opened(tmp_path / "wal") as wal:
        wal.write([*bodies(1, 2), encode_hard_state(HardState(1, "", 3))])

    with (
        pytest.raises(Corrupt, match="ends at entry 2, but entry 3 was committed"),
        opened(tmp_path / "wal"),
    ):
        pass


def test_truncation_is_a_record_and_survives_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path / "wal") as wal:
        wal.write(bodies(1, 4))
        wal.write([encode_truncate(2), *bodies(3, 3, term=2)])

    with opened(tmp_path / "wal") as wal:
        assert [entry(1), entry(2), entry(3, term=2)] == contents(wal)


def test_mark_past_the_end_restarts_the_log_for_good(tmp_path: Path) -> None:
    with opened(tmp_path / "wal") as wal:
        wal.write(bodies(1, 4))
        wal.write([encode_mark(Mark(10, 3)), *bodies(11, 11, term=3)])
        wal.release(11)

    with opened(tmp_path / "wal") as wal:
        assert (wal.first_index, wal.last_index) == (11, 11)
        assert [entry(11, term=3)] == contents(wal)


def test_entry_that_rotted_since_is_never_returned(tmp_path: Path) -> None:
    path, start, _ = three_rounds(tmp_path / "wal")
    with opened(tmp_path / "wal") as wal:
        content = bytearray(path.read_bytes())
        content[start + 40] ^= 1
        path.write_bytes(content)

        with pytest.raises(Corrupt, match="entry 5 can no longer be read"):
            contents(wal)
