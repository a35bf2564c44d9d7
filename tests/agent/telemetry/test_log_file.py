from pathlib import Path

import pytest

from agent.telemetry.log_file import KEEP_NONE, LogFile, Rotation, file_path

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("/var/log/", "/var/log/consul.log"),
        ("/var/log/x.txt", "/var/log/x.txt"),
        ("/var/log/x", "/var/log/x.log"),
    ],
)
def test_setting_names_a_folder_or_a_file(setting, expected):
    assert file_path(setting) == Path(expected)


def written(tmp_path, rotation, lines):
    """Write ``(text, now_s)`` pairs; the texts of archives, oldest first, and of the file."""
    log = LogFile(f"{tmp_path}/logs/", rotation, now_s=0)
    for text, now_s in lines:
        log.write(text, now_s=now_s)
    log.close()
    folder = tmp_path / "logs"
    archives = sorted(path for path in folder.iterdir() if path.name != "consul.log")
    return [path.read_text() for path in archives], (folder / "consul.log").read_text()


def test_lines_are_appended(tmp_path):
    assert written(tmp_path, Rotation(), [("a", 1), ("é", 2)]) == ([], "a\né\n")
    assert written(tmp_path, Rotation(), [("b", 3)]) == ([], "a\né\nb\n")


def test_file_that_would_grow_too_big_is_rotated(tmp_path):
    archives, current = written(
        tmp_path, Rotation(bytes_max=4), [("a", 1), ("b", 2), ("c", 3), ("long", 4)]
    )

    assert (archives, current) == (["a\nb\n", "c\n"], "long\n")


def test_file_that_is_too_old_is_rotated(tmp_path):
    rotation = Rotation(duration_ns=10 * SECOND)

    assert written(tmp_path, rotation, [("a", 1), ("b", 9), ("c", 10), ("d", 11)]) == (
        ["a\nb\n"],
        "c\nd\n",
    )


def test_oldest_archives_are_removed(tmp_path):
    rotation = Rotation(bytes_max=1, files_max=2)

    archives, current = written(tmp_path, rotation, [(str(n), n) for n in range(5)])

    assert (archives, current) == (["2\n", "3\n"], "4\n")


def test_no_archive_is_kept_if_none_is_wanted(tmp_path):
    rotation = Rotation(bytes_max=1, files_max=KEEP_NONE)

    assert written(tmp_path, rotation, [("a", 1), ("b", 2)]) == ([], "b\n")


def test_archives_of_one_moment_do_not_overwrite_each_other(tmp_path):
    archives, _ = written(tmp_path, Rotation(bytes_max=1), [("a", 1), ("b", 1), ("c", 1)])

    assert archives == ["a\n", "b\n"]


def test_other_files_of_the_folder_are_left_alone(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "consul-notes.log").write_text("mine")

    written(tmp_path, Rotation(bytes_max=1, files_max=1), [(str(n), n) for n in range(4)])

    assert (folder / "consul-notes.log").read_text() == "mine"
