"""Access logs: one line for each request, and for each TCP connection, to a file or an output.

A line is text with operators, or JSON whose leaves are operators; both are written once and filled
in for each record. Operators are those of Envoy that make sense here: ``%START_TIME%``,
``%PROTOCOL%``, ``%RESPONSE_CODE%``, ``%RESPONSE_FLAGS%``, ``%RESPONSE_CODE_DETAILS%``,
``%BYTES_RECEIVED%``, ``%BYTES_SENT%``, ``%DURATION%``, ``%UPSTREAM_HOST%``, ``%UPSTREAM_CLUSTER%``,
``%ROUTE_NAME%``, ``%DOWNSTREAM_REMOTE_ADDRESS%``, ``%DOWNSTREAM_PEER_URI_SAN%``,
``%REQUESTED_SERVER_NAME%``, ``%TRACE_ID%``, ``%REQ(:METHOD)%``, ``%REQ(:PATH)%``,
``%REQ(:AUTHORITY)%``, and ours: ``%SOURCE%``, ``%DESTINATION%``, ``%ATTEMPTS%``. What is unknown or
empty is ``-`` (null in JSON).

Lines are kept for a moment and written together; what cannot be written is dropped and counted, for
a full disk must not stop traffic. A file that was moved away is opened anew (logrotate).
Source: Consul, proxy-defaults AccessLogs; Envoy, access log format strings.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from proxy.api import AccessLog
from proxy.serving import Record

KEPT_BYTES_MAX: Final = 256 * 1024  # between two writes; beyond it lines are dropped
TEXT_BYTES_MAX: Final = 8 * 1024  # of one value, so that a long path is no way to fill a disk
_OPERATOR: Final = re.compile(r"%([A-Z_]+(?:\([^)%]*\))?)%")

Field = Callable[[Record, float], object]


def _or_none(value: object) -> object:
    return value or None


FIELDS: Final[dict[str, Field]] = {
    "START_TIME": lambda record, at_s: timestamp(at_s),
    "PROTOCOL": lambda record, at_s: record.protocol,
    "RESPONSE_CODE": lambda record, at_s: record.status,
    "RESPONSE_FLAGS": lambda record, at_s: _or_none(",".join(record.flags)),
    "RESPONSE_CODE_DETAILS": lambda record, at_s: _or_none(record.detail),
    "BYTES_RECEIVED": lambda record, at_s: record.bytes_received,
    "BYTES_SENT": lambda record, at_s: record.bytes_sent,
    "DURATION": lambda record, at_s: max(0, round((record.ended_s - record.started_s) * 1000)),
    "UPSTREAM_HOST": lambda record, at_s: _or_none(record.endpoint),
    "UPSTREAM_CLUSTER": lambda record, at_s: _or_none(record.cluster),
    "ROUTE_NAME": lambda record, at_s: _or_none(record.route),
    "DOWNSTREAM_REMOTE_ADDRESS": lambda record, at_s: _or_none(record.facts.remote),
    "DOWNSTREAM_PEER_URI_SAN": lambda record, at_s: record.facts.peer and record.facts.peer.uri,
    "REQUESTED_SERVER_NAME": lambda record, at_s: _or_none(record.facts.server_name),
    "TRACE_ID": lambda record, at_s: _or_none(record.trace_id),
    "REQ(:METHOD)": lambda record, at_s: _or_none(record.method),
    "REQ(:PATH)": lambda record, at_s: _or_none(record.path),
    "REQ(:AUTHORITY)": lambda record, at_s: _or_none(record.host),
    "SOURCE": lambda record, at_s: _or_none(record.source),
    "DESTINATION": lambda record, at_s: _or_none(record.destination),
    "ATTEMPTS": lambda record, at_s: record.attempts,
}
JSON_FORMAT: Final = {
    "start_time": "%START_TIME%",
    "source": "%SOURCE%",
    "destination": "%DESTINATION%",
    "protocol": "%PROTOCOL%",
    "method": "%REQ(:METHOD)%",
    "authority": "%REQ(:AUTHORITY)%",
    "path": "%REQ(:PATH)%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "attempts": "%ATTEMPTS%",
    "route_name": "%ROUTE_NAME%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_host": "%UPSTREAM_HOST%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "downstream_peer": "%DOWNSTREAM_PEER_URI_SAN%",
    "trace_id": "%TRACE_ID%",
}


def timestamp(at_s: float) -> str:
    """RFC 3339 with milliseconds."""
    moment = datetime.fromtimestamp(at_s, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def line_of(log: AccessLog) -> Callable[[Record, float], str]:
    """How records become lines; JSON of every field unless it is told else."""
    if log.text_format:
        return _text_line(log.text_format)
    return _json_line(_parsed(log.json_format))


def _parsed(text: str) -> Any:
    """A format that cannot be read is taken for none: requests are logged in any case."""
    try:
        return json.loads(text) if text else JSON_FORMAT
    except ValueError:
        return JSON_FORMAT


def _text_line(template: str) -> Callable[[Record, float], str]:
    parts = _OPERATOR.split(template if template.endswith("\n") else template + "\n")
    literals, fields = parts[::2], [FIELDS.get(name) for name in parts[1::2]]

    def line(record: Record, at_s: float) -> str:
        found = [literals[0]]
        for field, literal in zip(fields, literals[1:], strict=True):
            value = None if field is None else field(record, at_s)
            found.append("-" if value is None else _safe(str(value)))
            found.append(literal)
        return "".join(found)

    return line


def _safe(text: str) -> str:
    """A value within a line of text: a request cannot write lines of its own."""
    if text.isprintable() and '"' not in text and len(text) <= TEXT_BYTES_MAX:
        return text
    return json.dumps(text[:TEXT_BYTES_MAX])[1:-1]


def _json_line(template: Any) -> Callable[[Record, float], str]:
    def line(record: Record, at_s: float) -> str:
        return json.dumps(_filled(template, record, at_s), separators=(",", ":")) + "\n"

    return line


def _filled(template: Any, record: Record, at_s: float) -> Any:
    match template:
        case dict():
            return {key: _filled(value, record, at_s) for key, value in template.items()}
        case list():
            return [_filled(value, record, at_s) for value in template]
        case str():
            whole = _OPERATOR.fullmatch(template)
            if whole is None:
                return template
            field = FIELDS.get(whole[1])
            value = None if field is None else field(record, at_s)
            return value[:TEXT_BYTES_MAX] if isinstance(value, str) else value
        case _:
            return template


class LogWriter:
    """Where the lines of one log go. ``flush`` is called each second, and when much is kept."""

    def __init__(self, log: AccessLog) -> None:
        self._path = Path(log.path) if log.kind == "file" else None
        self._fd = {"stdout": sys.__stdout__, "stderr": sys.__stderr__}.get(log.kind)
        self._opened: int | None = None
        self._kept: list[str] = []
        self._kept_bytes = 0
        self.dropped = 0

    def write(self, line: str) -> None:
        """Keep a line, or drop it."""
        if self._kept_bytes + len(line) > KEPT_BYTES_MAX:
            self.flush()
        if self._kept_bytes + len(line) > KEPT_BYTES_MAX:
            self.dropped += 1
            return
        self._kept.append(line)
        self._kept_bytes += len(line)

    def flush(self) -> None:
        """Write what is kept; what cannot be written is dropped."""
        if not self._kept:
            return
        lines, count = "".join(self._kept).encode(errors="replace"), len(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        try:
            os.write(self._descriptor(), lines)
        except (OSError, ValueError):
            self.dropped += count
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None

    def _descriptor(self) -> int:
        if self._path is None:
            if self._fd is None:
                raise OSError("no such output")
            return self._fd.fileno()
        if self._opened is not None and _is_at(self._opened, self._path):
            return self._opened
        self.close()
        # A pipe that nobody reads must not stop everything.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        self._opened = os.open(self._path, flags, 0o640)
        return self._opened


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
