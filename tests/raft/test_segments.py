import os
import zlib
from pathlib import Path

import pytest

from raft.errors import Corrupt, IdentityMismatch
from raft.files import Files
from raft.segments import (
    HEADER_BYTES,
    SegmentHeader,
    Spares,
    check_server,
    decode_header,
    encode_header,
    list_segments,
    segment_name,
    zero_range,
)
from tests.raft.machines import OTHER_ID, SERVER_ID, CountingFiles

HEADER = SegmentHeader(
    cluster_id=bytes(range(16)), server_id=SERVER_ID, number=3, first_index=500, previous_crc=77
)
PATH = Path("some.wal")


def test_header_survives_the_round_trip() -> None:
    encoded = encode_header(HEADER)

    assert 64 == len(encoded) == HEADER_BYTES
    assert decode_header(encoded, PATH) == HEADER


@pytest.mark.parametrize("at", range(HEADER_BYTES))
def test_header_with_any_byte_changed_is_refused(at: int) -> None:
    damaged = bytearray(encode_header(HEADER))
    damaged[at] ^= 1

    with pytest.raises(Corrupt, match=r"some\.wal: the segment header is damaged"):
        decode_header(bytes(damaged), PATH)


def test_header_cut_short_is_refused() -> None:
    with pytest.raises(Corrupt, match="cut short"):
        decode_header(encode_header(HEADER)[:63], PATH)


def test_segment_of_another_server_is_refused_naming_both() -> None:
    with pytest.raises(IdentityMismatch, match=f"{SERVER_ID}.*{OTHER_ID}"):
        check_server(HEADER, OTHER_ID, PATH)


def test_segments_are_listed_in_order_and_without_others(tmp_path: Path) -> None:
    for name in (segment_name(12, 90), segment_name(11, 50), "spare-1.tmp"):
        (tmp_path / name).touch()

    assert [segment.number for segment in list_segments(tmp_path)] == [11, 12]


def test_missing_segment_is_refused(tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / segment_name(number, 1)).touch()

    with pytest.raises(Corrupt, match="segment 2 is missing"):
        list_segments(tmp_path)


def test_spare_is_zeros_of_the_full_size(tmp_path: Path) -> None:
    spares = Spares(tmp_path, Files(), 5000)
    spares.prepare()

    spare = spares.take(100)

    assert bytes(5000) == spare.path.read_bytes()
    assert spare.size_bytes == 5000
    os.close(spare.descriptor)
    spares.close()


def test_spare_that_is_too_small_is_replaced_by_one_that_is_not(tmp_path: Path) -> None:
    spares = Spares(tmp_path, Files(), 5000)
    spares.prepare()

    spare = spares.take(9000)

    assert spare.size_bytes == 9000
    assert [spare.path] == list(tmp_path.iterdir())
    os.close(spare.descriptor)
    spares.close()


def test_closing_removes_the_spare(tmp_path: Path) -> None:
    spares = Spares(tmp_path, Files(), 5000)
    spares.prepare()

    spares.close()

    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_shows_when_the_segment_is_needed_and_leaves_nothing(tmp_path: Path) -> None:
    files = CountingFiles()
    files.fail["write_at"] = OSError(28, "No space left on device")
    spares = Spares(tmp_path, files, 5000)
    spares.prepare()

    with pytest.raises(OSError, match="No space left"):
        spares.take(100)

    assert list(tmp_path.iterdir()) == []
    files.fail.clear()
    os.close(spares.take(100).descriptor)
    spares.close()


def test_unknown_format_version_is_refused() -> None:
    header = encode_header(HEADER)
    fields = header[:4] + (9).to_bytes(4, "little") + header[8:60]
    newer = fields + zlib.crc32(fields).to_bytes(4, "little")

    with pytest.raises(Corrupt, match="segment format 9 is not known"):
        decode_header(newer, PATH)


def test_zeroing_touches_only_its_range(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    descriptor = os.open(path, os.O_RDWR)

    zero_range(Files(), descriptor, 3, 8)
    zero_range(Files(), descriptor, 8, 8)
    os.close(descriptor)

    assert path.read_bytes() == b"xxx\0\0\0\0\0xx"
