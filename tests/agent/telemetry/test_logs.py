import asyncio
import io
import json
import logging
import socket

import pytest
import structlog

from agent.telemetry.line import INFO, Line
from agent.telemetry.log_file import Rotation
from agent.telemetry.logs import FOLLOWER_LINES_MAX, Follower, LogHub, LogSettings, set_up


@pytest.fixture(autouse=True)
def libraries_restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stream():
    return io.StringIO()


def shown(stream):
    """What stands behind the timestamp of each line."""
    return [text.partition(" ")[2] for text in stream.getvalue().splitlines()]


def test_events_are_written_from_the_level_up(stream):
    set_up(LogSettings(level="WARN"), stream)
    log = structlog.get_logger("agent.kv")

    log.info("unheard")
    log.warning("heard", node="a b")
    log.error("failed")
    log.critical("over")

    assert shown(stream) == [
        '[WARN]  agent.kv: heard: node="a b"',
        "[ERROR] agent.kv: failed",
        "[ERROR] agent.kv: over",
    ]


def test_level_changes_live(stream):
    hub = set_up(LogSettings(level="ERR"), stream)
    log = structlog.get_logger("agent")

    hub.set_level("TRACE")
    log.trace("inside")
    hub.set_level("info")
    log.debug("unheard")

    assert shown(stream) == ["[TRACE] agent: inside"]
    with pytest.raises(KeyError):
        hub.set_level("LOUD")


def test_json_lines_are_objects(stream):
    set_up(LogSettings(as_json=True), stream)

    structlog.get_logger("agent.http").info("done", status=200)

    line = json.loads(stream.getvalue())
    assert (line["@level"], line["@module"], line["status"]) == ("info", "agent.http", 200)


def test_records_of_logging_come_out_alike(stream):
    set_up(LogSettings(level="INFO"), stream)

    logging.getLogger("raft").info("became %s", "leader", extra={"term": 3})
    logging.getLogger("raft").debug("unheard")
    logging.getLogger("agent.x").warning("50%")
    logging.getLogger("hpack").info("noise")
    root = logging.getLogger()
    root.handlers[:] = root.handlers[-1:]  # pytest's own handlers raise at what follows
    logging.getLogger("gossip").error("bad %d", "arguments")

    assert shown(stream) == [
        "[INFO]  agent.raft: became leader: term=3",
        "[WARN]  agent.x: 50%",
        "[ERROR] agent.gossip: bad %d",
    ]


def test_secrets_are_never_written(stream, tmp_path):
    hub = set_up(LogSettings(file=f"{tmp_path}/"), stream)

    structlog.get_logger("agent").info("joined ?token=s3cret", token="s3cret", node="n")
    logging.getLogger("gossip").warning("key", extra={"encrypt_key": "s3cret"})
    hub.close()

    written = stream.getvalue() + (tmp_path / "consul.log").read_text()
    assert "s3cret" not in written
    assert written.count("token=<hidden> node=n") == 2


def test_exceptions_are_written_with_their_traceback(stream):
    set_up(LogSettings(), stream)
    log = structlog.get_logger("agent")
    try:
        raise ValueError("why")
    except ValueError as error:
        log.exception("failed")
        log.error("failed again", exc_info=error)
        logging.getLogger("raft").exception("failed too")

    assert stream.getvalue().count("  | ValueError: why") == 3


def test_captured_events_of_tests_still_work_after_set_up(stream):
    set_up(LogSettings(), stream)

    with structlog.testing.capture_logs() as events:
        structlog.get_logger("agent").info("seen", node="n")

    assert events == [{"event": "seen", "node": "n", "log_level": "info"}]


def test_file_takes_the_same_lines_and_rotates(stream, tmp_path):
    hub = set_up(LogSettings(file=f"{tmp_path}/a.log", rotation=Rotation(bytes_max=1)), stream)

    structlog.get_logger("agent").info("first")
    structlog.get_logger("agent").info("second")
    hub.close()

    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / "a.log").read_text().endswith("[INFO]  agent: second\n")


def test_broken_output_loses_its_lines_and_nothing_else(stream):
    class Full:
        def write(self, line):
            raise OSError(28, "No space left on device")

        def close(self):
            raise OSError

    hub = LogHub("INFO", (Full(),))

    hub.emit(Line(INFO, "agent", "lost", 0))
    stream.close()
    hub.close()

    assert hub.lost_lines == 1


def test_set_up_twice_writes_each_line_once(stream):
    set_up(LogSettings(), io.StringIO())
    set_up(LogSettings(), stream)

    logging.getLogger("raft").info("once")
    structlog.get_logger("agent").info("once")

    assert len(shown(stream)) == 2


def test_syslog_gets_the_same_lines(stream, tmp_path, monkeypatch):
    path = str(tmp_path / "log")
    monkeypatch.setattr("agent.telemetry.syslog.SOCKET_PATH", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        hub = set_up(LogSettings(syslog_facility="LOCAL0"), stream)

        structlog.get_logger("agent").warning("seen")
        hub.close()

        assert daemon.recv(65536).endswith(b"[WARN]  agent: seen")


async def test_follower_sees_lines_of_its_own_level_in_batches(stream, monkeypatch):
    monkeypatch.setattr("agent.telemetry.logs.FLUSH_INTERVAL_S", 0.01)
    hub = set_up(LogSettings(level="ERR"), stream)
    lines = hub.follow("DEBUG", as_json=False)
    first = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)

    structlog.get_logger("agent").debug("one")
    logging.getLogger("raft").warning("two")
    structlog.get_logger("agent").trace("unheard")
    batch = await first
    await lines.aclose()

    assert [text[25:] for text in batch.decode().splitlines()] == [
        "[DEBUG] agent: one",
        "[WARN]  agent.raft: two",
    ]
    assert stream.getvalue() == ""
    assert hub.level_min == 40


async def test_follower_may_have_json(stream, monkeypatch):
    monkeypatch.setattr("agent.telemetry.logs.FLUSH_INTERVAL_S", 0.01)
    hub = set_up(LogSettings(), stream)
    lines = hub.follow("INFO", as_json=True)
    first = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)

    structlog.get_logger("agent").info("one", n=1)
    batch = await first
    await lines.aclose()

    assert json.loads(batch)["n"] == 1


def test_slow_follower_loses_lines_that_are_counted():
    follower = Follower(INFO, as_json=False)

    for number in range(FOLLOWER_LINES_MAX + 3):
        follower.offer(Line(INFO, "agent", str(number), 0))

    assert follower.dropped_lines == 3
    assert len(follower.take().splitlines()) == FOLLOWER_LINES_MAX
    assert follower.take() == b""


async def test_dropped_lines_are_told_to_the_agent(monkeypatch):
    monkeypatch.setattr("agent.telemetry.logs.FOLLOWER_LINES_MAX", 1)
    monkeypatch.setattr("agent.telemetry.logs.FLUSH_INTERVAL_S", 0.01)
    hub, dropped = LogHub("INFO", ()), []
    hub.on_dropped = lambda: dropped.append(1)
    lines = hub.follow("INFO", as_json=False)
    first = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)

    for event in ("a", "b", "c"):
        hub.emit(Line(INFO, "agent", event, 0))
    await first
    await lines.aclose()

    assert len(dropped) == 2
