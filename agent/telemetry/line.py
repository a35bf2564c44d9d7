"""One line of the log and its two written forms, those of Consul's logger.

Text: ``2026-11-25T08:00:00.000Z [INFO]  agent.http: event: key=value``. JSON: one object with
``@level``, ``@message``, ``@module``, ``@timestamp`` and the fields.
"""

import datetime
import re
from typing import Any, Final

import msgspec

TRACE: Final = 5
DEBUG: Final = 10
INFO: Final = 20
WARN: Final = 30
ERROR: Final = 40
LEVELS: Final = {
    "TRACE": TRACE,
    "DEBUG": DEBUG,
    "INFO": INFO,
    "WARN": WARN,
    "ERR": ERROR,
    "ERROR": ERROR,
}
"""The names that settings and requests may use, and their numbers, which are those of logging."""

FIELD_CHARACTERS_MAX: Final = 8192  # a value that is longer says no more; lines stay readable
_LABELS: Final = {
    TRACE: "[TRACE]",
    DEBUG: "[DEBUG]",
    INFO: "[INFO] ",
    WARN: "[WARN] ",
    ERROR: "[ERROR]",
}
_NAMES: Final = {TRACE: "trace", DEBUG: "debug", INFO: "info", WARN: "warn", ERROR: "error"}
_NEEDS_QUOTES: Final = re.compile(r'[\s"=\x00-\x1f\x7f]')
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Line(msgspec.Struct, frozen=True):
    """An event of one module. ``at_s`` is in seconds since the Unix epoch."""

    level: int
    module: str
    event: str
    at_s: float
    fields: dict[str, Any] = {}

    def as_text(self) -> str:
        """The text form, without a line end; a value of several lines stands in lines below."""
        short, long = [], []
        for name, value in self.fields.items():
            text = value_text(value)
            if "\n" in text:
                below = "\n".join(f"  | {row}" for row in text.splitlines())
                long.append(f"\n  {name}=\n{below}")
            else:
                short.append(f" {name}={_quoted(text)}")
        colon = ":" if short or long else ""
        head = f"{self._timestamp(milliseconds=True)} {_LABELS[self.level]} {self.module}: "
        return f"{head}{_one_line(self.event)}{colon}{''.join(short)}{''.join(long)}"

    def as_json(self) -> str:
        """The JSON form, without a line end."""
        body = {
            "@level": _NAMES[self.level],
            "@message": self.event,
            "@module": self.module,
            "@timestamp": self._timestamp(milliseconds=False),
        } | {name: _json_value(value) for name, value in self.fields.items()}
        return msgspec.json.encode(body).decode()

    def _timestamp(self, *, milliseconds: bool) -> str:
        at = datetime.datetime.fromtimestamp(self.at_s, datetime.UTC)
        text = at.isoformat(timespec="milliseconds" if milliseconds else "microseconds")
        return text.replace("+00:00", "Z")


def level_of(number: int) -> int:
    """The level that a number of logging counts as."""
    return max((level for level in _LABELS if level <= number), default=TRACE)


def value_text(value: object) -> str:
    """A field's value as text without control characters other than line ends and tabs."""
    text = value if isinstance(value, str) else str(value)
    return _CONTROL.sub("\ufffd", text[:FIELD_CHARACTERS_MAX])


def _quoted(text: str) -> str:
    if text and not _NEEDS_QUOTES.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def _one_line(event: str) -> str:
    # A line end inside an event would let its author forge the line below.
    return value_text(event).replace("\n", "\\n")


def _json_value(value: object) -> object:
    match value:
        case bool() | int() | float() | None:
            return value
        case _:
            return value_text(value)
