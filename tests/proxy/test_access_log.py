import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.access_log import FIELDS, JSON_FORMAT, KEPT_BYTES_MAX, LogWriter, line_of
from proxy.api import AccessLog
from proxy.connection import Facts, Peer
from proxy.serving import Record

RECORD = Record(
    started_s=10.0,
    ended_s=10.0125,
    facts=Facts(listener="public", remote="1.2.3.4:5", peer=Peer(uri="spiffe://x")),
    source="web",
    destination="api",
    method="GET",
    path='/a?b="c"',
    status=200,
    bytes_sent=7,
    attempts=2,
    flags=["retried"],
)
AT_S = 1_700_000_000.25


def test_text_is_filled_in() -> None:
    text = "%START_TIME% %SOURCE% -> %DESTINATION% %RESPONSE_CODE% %DURATION% %UPSTREAM_HOST%"

    line = line_of(AccessLog(text_format=text))(RECORD, AT_S)

    assert "2023-11-14T22:13:20.250Z web -> api 200 12 -\n" == line


def test_json_has_every_field_and_null_for_what_is_not_there() -> None:
    found = json.loads(line_of(AccessLog())(RECORD, AT_S))

    assert JSON_FORMAT.keys() == found.keys()
    assert (200, 7, "retried", None, "spiffe://x") == (
        found["response_code"],
        found["bytes_sent"],
        found["response_flags"],
        found["trace_id"],
        found["downstream_peer"],
    )


def test_a_json_format_keeps_its_shape() -> None:
    wanted = '{"app": "mesh", "who": {"from": "%SOURCE%"}, "codes": ["%RESPONSE_CODE%"]}'

    found = json.loads(line_of(AccessLog(json_format=wanted))(RECORD, AT_S))

    assert {"app": "mesh", "who": {"from": "web"}, "codes": [200]} == found


def test_every_operator_of_the_json_format_is_known() -> None:
    assert {value.strip("%") for value in JSON_FORMAT.values()} <= FIELDS.keys()


@given(path=st.text(max_size=100))
def test_a_request_writes_no_line_of_its_own(path: str) -> None:
    record = Record(started_s=0.0, facts=RECORD.facts, path=path)

    for log in (AccessLog(text_format='"%REQ(:PATH)%"'), AccessLog()):
        line = line_of(log)(record, AT_S)
        assert 1 == len(line.splitlines())
        assert line.endswith("\n")


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    writer = LogWriter(AccessLog(kind="file", path=str(path)))
    writer.write("one\n")
    writer.flush()
    path.rename(tmp_path / "old.log")

    writer.write("two\n")
    writer.flush()
    writer.close()

    assert ("two\n", "one\n") == (path.read_text(), (tmp_path / "old.log").read_text())


def test_what_cannot_be_written_is_dropped_and_counted(tmp_path: Path) -> None:
    writer = LogWriter(AccessLog(kind="file", path=str(tmp_path / "missing" / "access.log")))
    writer.write("one\n")

    writer.flush()

    assert 1 == writer.dropped


def test_a_pipe_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = LogWriter(AccessLog(kind="file", path=str(path)))
    writer.write("one\n")

    writer.flush()

    assert 1 == writer.dropped


def test_lines_beyond_the_limit_are_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    writer = LogWriter(AccessLog(kind="file", path=str(path)))
    line = "x" * (KEPT_BYTES_MAX // 2) + "\n"

    for _ in range(3):
        writer.write(line)

    assert path.stat().st_size > 0
    writer.close()


@pytest.mark.parametrize("kind", ["stdout", "stderr"])
def test_an_output_takes_lines(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    writer = LogWriter(AccessLog(kind=kind))  # type: ignore[arg-type] # one of the two
    writer.write("line\n")

    writer.flush()

    captured = capfd.readouterr()
    assert "line\n" in (captured.out if kind == "stdout" else captured.err)
