import os
import socket

import pytest

from agent.telemetry.line import ERROR
from agent.telemetry.syslog import DATAGRAM_BYTES_MAX, Syslog, facility_number


def test_line_is_sent_with_facility_and_severity(tmp_path):
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        syslog = Syslog("LOCAL0", path)

        syslog.send(ERROR, "hello")
        syslog.send(ERROR, "x" * 20_000)
        syslog.close()

        assert daemon.recv(65536) == f"<131>consul[{os.getpid()}]: hello".encode()
        assert len(daemon.recv(65536)) == DATAGRAM_BYTES_MAX


def test_unknown_facility_is_refused_with_the_names_allowed():
    with pytest.raises(ValueError, match=r'invalid syslog_facility "X", want one of .*LOCAL0'):
        facility_number("X")


def test_absent_daemon_is_an_error_at_the_start(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Syslog("LOCAL0", str(tmp_path / "none"))
