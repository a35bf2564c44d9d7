import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import output as output_module
from proxy.output import Output


@pytest.fixture(autouse=True)
def _streams(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the test's own stdout and stderr back."""
    monkeypatch.setattr(output_module, "OUTPUT_BYTES_MAX", 100)
    with capfd.disabled():
        kept = [os.dup(number) for number in (1, 2)]
        yield
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def test_both_streams_go_to_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    Output(path)

    os.write(1, b"out\n")
    os.write(2, b"err\n")
    print("python", file=sys.__stdout__, flush=True)

    assert "out\nerr\npython\n" == path.read_text()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_a_large_file_is_kept_once_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    output = Output(path)

    for name in (b"a", b"b", b"c"):
        os.write(1, name * 101)
        output.check()
    os.write(1, b"d")
    output.check()

    assert "d" == path.read_text()
    assert "c" * 101 == (tmp_path / "worker.log.1").read_text()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_another_one_moved_away_is_left(tmp_path: Path, is_replaced: bool) -> None:
    path = tmp_path / "worker.log"
    output = Output(path)
    os.write(1, b"x" * 101)
    path.rename(tmp_path / "moved")
    if is_replaced:
        path.write_text("theirs\n")

    output.check()
    os.write(1, b"ours\n")

    assert ("theirs\n" if is_replaced else "") + "ours\n" == path.read_text()
    assert "x" * 101 == (tmp_path / "moved").read_text()


def test_a_directory_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "mesh"
    directory.mkdir()
    output = Output(directory / "worker.log")
    (directory / "worker.log").unlink()
    directory.rmdir()

    output.check()
