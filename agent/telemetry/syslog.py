"""The system's log daemon, by datagrams to its socket. Source: RFC 3164; syslog(3)."""

import os
import socket
from logging.handlers import SysLogHandler
from typing import Final

from agent.telemetry.line import DEBUG, ERROR, INFO, TRACE, WARN

SOCKET_PATH: Final = "/dev/log"
PROGRAM: Final = "consul"
DATAGRAM_BYTES_MAX: Final = 8192  # what common daemons take; longer lines are cut
_SEVERITIES: Final = {TRACE: 7, DEBUG: 7, INFO: 6, WARN: 4, ERROR: 3}


class Syslog:
    """An open socket to the daemon. Raises OSError if there is none, ValueError as below."""

    def __init__(self, facility: str, path: str = "") -> None:
        self._facility = facility_number(facility)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # a daemon that hangs must not hang the agent
        try:
            self._socket.connect(path or SOCKET_PATH)
        except OSError:
            self._socket.close()
            raise

    def send(self, level: int, text: str) -> None:
        """Send one line. Raises OSError if the daemon does not take it."""
        priority = self._facility << 3 | _SEVERITIES[level]
        datagram = f"<{priority}>{PROGRAM}[{os.getpid()}]: {text}"
        self._socket.send(datagram.encode("utf-8", "backslashreplace")[:DATAGRAM_BYTES_MAX])

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def facility_number(name: str) -> int:
    """The number of ``LOCAL0``, ``DAEMON`` and so on. Raises ValueError with the names allowed."""
    number = SysLogHandler.facility_names.get(name.lower())
    if number is None:
        allowed = ", ".join(sorted(SysLogHandler.facility_names)).upper()
        raise ValueError(f'invalid syslog_facility "{name}", want one of {allowed}')
    return number
