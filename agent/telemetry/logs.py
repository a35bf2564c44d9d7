"""The log: one stream of lines from structlog and logging alike, to every output.

``set_up`` connects both libraries to a ``LogHub``. The hub writes to the terminal, to a file and
to the clients of ``/v1/agent/monitor``, each with its own level. Levels can change live.
"""

import asyncio
import contextlib
import logging
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import IO, Any, Final, Protocol

import msgspec
import structlog
from typing_extensions import override

from agent.clock import wall_s
from agent.telemetry.line import DEBUG, ERROR, INFO, LEVELS, TRACE, WARN, Line, level_of
from agent.telemetry.log_file import LogFile, Rotation
from agent.telemetry.masking import masked_fields, masked_text
from agent.telemetry.syslog import Syslog

__all__ = ["LEVELS", "LogHub", "LogSettings", "set_up"]

FOLLOWER_LINES_MAX: Final = 512  # a follower that is slower loses lines, never the agent; as Consul
FLUSH_INTERVAL_S: Final = 0.2  # as Consul's monitor
_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The logging part of the configuration.

    An empty ``file`` means no file, an empty ``syslog_facility`` (``LOCAL0``) no syslog.
    """

    level: str = "INFO"
    as_json: bool = False
    file: str = ""
    rotation: Rotation = Rotation()
    syslog_facility: str = ""


class Output(Protocol):
    """Where lines go."""

    def write(self, line: Line) -> None:
        """Take one line. Raises OSError or ValueError if that is not possible."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


class StreamOutput:
    """Lines to an open text stream, such as the terminal; the stream stays open."""

    def __init__(self, stream: IO[str], *, as_json: bool) -> None:
        self._stream = stream
        self._as_json = as_json

    def write(self, line: Line) -> None:
        """Write and flush one line."""
        self._stream.write((line.as_json() if self._as_json else line.as_text()) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """The stream belongs to the process."""


class FileOutput:
    """Lines to the log file."""

    def __init__(self, settings: LogSettings) -> None:
        self._as_json = settings.as_json
        self._file = LogFile(settings.file, settings.rotation, now_s=wall_s())

    def write(self, line: Line) -> None:
        """Append one line."""
        text = line.as_json() if self._as_json else line.as_text()
        self._file.write(text, now_s=line.at_s)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class SyslogOutput:
    """Lines to the system's log daemon, which adds its own time."""

    def __init__(self, facility: str) -> None:
        self._syslog = Syslog(facility)

    def write(self, line: Line) -> None:
        """Send one line."""
        self._syslog.send(line.level, line.as_text())

    def close(self) -> None:
        """Close the socket."""
        self._syslog.close()


class Follower:
    """One client of the monitor: its level, and the lines that it has not fetched yet."""

    def __init__(self, level: int, *, as_json: bool) -> None:
        self.level = level
        self.dropped_lines = 0
        self._as_json = as_json
        self._waiting: deque[Line] = deque()

    def offer(self, line: Line) -> bool:
        """Keep a line for the client; False if too many wait already."""
        if len(self._waiting) >= FOLLOWER_LINES_MAX:
            self.dropped_lines += 1
            return False
        self._waiting.append(line)
        return True

    def take(self) -> bytes:
        """All that waits, as it goes out."""
        texts = []
        while self._waiting:
            line = self._waiting.popleft()
            texts.append(line.as_json() if self._as_json else line.as_text())
        return "".join(f"{text}\n" for text in texts).encode("utf-8", "backslashreplace")


class LogHub:
    """Hands every line to the outputs of the agent and to the followers. Safe from any thread."""

    def __init__(self, level: str, outputs: tuple[Output, ...]) -> None:
        self._outputs = outputs
        self._followers: tuple[Follower, ...] = ()
        self._level = LEVELS[level.upper()]
        self._level_min = self._level
        self.lost_lines = 0
        self.on_dropped: Callable[[], None] | None = None

    @property
    def level_min(self) -> int:
        """The lowest level that anyone wants: less need not be made."""
        return self._level_min

    def set_level(self, level: str) -> None:
        """Change the level of the outputs to a name of LEVELS. Raises KeyError for others."""
        self._level = LEVELS[level.upper()]
        self._update_level_min()

    def emit(self, line: Line) -> None:
        """Hand on one line. A failing output loses it and is never the caller's trouble."""
        if line.level >= self._level:
            for output in self._outputs:
                try:
                    output.write(line)
                except (OSError, ValueError):
                    self.lost_lines += 1
        for follower in self._followers:
            if line.level >= follower.level and not follower.offer(line) and self.on_dropped:
                self.on_dropped()

    async def follow(self, level: str, *, as_json: bool) -> AsyncIterator[bytes]:
        """Lines from now on, in batches, until closed. ``level`` is a name of LEVELS."""
        follower = Follower(LEVELS[level.upper()], as_json=as_json)
        self._followers += (follower,)
        self._update_level_min()
        try:
            while True:
                # Looking at fixed times needs no signal across threads.
                await asyncio.sleep(FLUSH_INTERVAL_S)
                if batch := follower.take():
                    yield batch
        finally:
            self._followers = tuple(other for other in self._followers if other is not follower)
            self._update_level_min()

    def close(self) -> None:
        """Write no more and close the file."""
        outputs, self._outputs = self._outputs, ()
        for output in outputs:
            with contextlib.suppress(OSError):
                output.close()

    def _update_level_min(self) -> None:
        self._level_min = min([self._level, *(follower.level for follower in self._followers)])


def set_up(settings: LogSettings, stream: IO[str]) -> LogHub:
    """Send structlog and logging to ``stream`` and to what else is configured.

    Raises OSError if the file or the syslog socket cannot be opened, KeyError for an unknown
    level, ValueError for an unknown facility.
    """
    outputs: list[Output] = [StreamOutput(stream, as_json=settings.as_json)]
    if settings.file:
        outputs.append(FileOutput(settings))
    if settings.syslog_facility:
        outputs.append(SyslogOutput(settings.syslog_facility))
    hub = LogHub(settings.level, tuple(outputs))
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _hide_secrets],
        wrapper_class=AgentLogger,
        logger_factory=lambda module="agent": _ModuleLogger(module, hub),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _HubHandler):
            root.removeHandler(handler)
    root.addHandler(_HubHandler(hub))
    root.setLevel(TRACE)  # the handler decides, by what is wanted at the time
    for noisy in ("asyncio", "aiohttp", "h2", "hpack"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return hub


class _ModuleLogger:
    """Where structlog's processors end: makes a line of an event and hands it to the hub."""

    def __init__(self, module: str, hub: LogHub) -> None:
        self._module = module
        self.hub = hub

    def emit(self, level: int, event: str, fields: dict[str, Any]) -> None:
        self.hub.emit(Line(level, self._module, event, wall_s(), fields))

    def __getattr__(self, method: str) -> Callable[..., None]:
        level = _METHOD_LEVELS[method]
        return lambda event="", **fields: self.emit(level, str(event), fields)


_METHOD_LEVELS: Final = {
    "trace": TRACE,
    "debug": DEBUG,
    "info": INFO,
    "warning": WARN,
    "error": ERROR,
    "critical": ERROR,
}


class AgentLogger(structlog.BoundLoggerBase):
    """The methods of ``structlog.get_logger()``: an event that nobody wants costs a comparison."""

    def trace(self, event: str, **fields: Any) -> None:
        """What happens inside, step by step."""
        self._log("trace", event, fields)

    def debug(self, event: str, **fields: Any) -> None:
        """What helps to find a fault."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What an operator wants to know later."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What may need an operator."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What has failed."""
        self._log("error", event, fields)

    def critical(self, event: str, **fields: Any) -> None:
        """What ends the agent."""
        self._log("critical", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """What has failed, with the exception that is being handled."""
        self._log("error", event, {"exc_info": True} | fields)

    warn = warning

    def _log(self, method: str, event: str, fields: dict[str, Any]) -> None:
        hub: LogHub = self._logger.hub
        if _METHOD_LEVELS[method] >= hub.level_min:
            self._proxy_to_logger(method, event, **fields)


def _hide_secrets(
    _logger: object, _method: str, event_dict: Mapping[str, Any]
) -> tuple[tuple[str], dict[str, Any]]:
    """The last processor: the event and its fields, without secrets, exceptions as text."""
    fields = dict(event_dict)
    event = masked_text(str(fields.pop("event", "")))
    fields |= _traceback_field(fields.pop("exc_info", None))
    return (event,), masked_fields(fields)


def _traceback_field(exc_info: object) -> dict[str, str]:
    match exc_info:
        case BaseException():
            return {"traceback": "".join(traceback.format_exception(exc_info)).rstrip()}
        case (_, BaseException() as error, _):
            return {"traceback": "".join(traceback.format_exception(error)).rstrip()}
        case True:
            return {"traceback": traceback.format_exc().rstrip()}
        case _:
            return {}


class _HubHandler(logging.Handler):
    """Brings records of logging (raft, gossip, libraries) into the hub."""

    def __init__(self, hub: LogHub) -> None:
        super().__init__()
        self._hub = hub

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Turn one record into a line."""
        if record.levelno < self._hub.level_min:
            return
        fields = {name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS}
        try:
            event = record.getMessage()
        except (TypeError, ValueError):
            event = str(record.msg)  # arguments that do not fit are the library's bug, not ours
        fields |= _traceback_field(record.exc_info)
        self._hub.emit(
            Line(
                level_of(record.levelno),
                _module(record.name),
                masked_text(event),
                record.created,
                masked_fields(fields),
            )
        )


def _module(logger_name: str) -> str:
    """The name in the log: all belongs to the agent."""
    package = logger_name.partition(".")[0]
    return logger_name if package == "agent" else f"agent.{logger_name}"
