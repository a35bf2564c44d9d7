"""TTL check: the service reports by itself; silence for longer than the TTL is critical.

A report of any status starts the span anew. After the expiry nothing happens until the next
report. Source: Consul API, TTL checks and /v1/agent/check/update.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from agent.checks.definition import CheckType
from agent.checks.outcome import Outcome, critical
from agent.checks.output import head
from agent.clock import wall_s
from catalog.duration import SECOND

EXPIRED: Final = "TTL expired"

_log = structlog.get_logger("agent.checks")


class NoTtl(Exception):
    """A report for a check that is not there or is not of type ttl."""

    def __init__(self, check_id: str) -> None:
        super().__init__(f'CheckID "{check_id}" does not have associated TTL')


class TtlState(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What is kept on disk of a TTL check. ``expires`` is in seconds since the Unix epoch."""

    check_id: str
    status: str
    output: str
    expires: float


class TtlTimer:
    """One TTL check that runs; ``expired`` is called when the span ends without a report."""

    def __init__(
        self, definition: CheckType, output_bytes: int, expired: Callable[[Outcome], None]
    ) -> None:
        self._check_id = definition.check_id
        self._ttl_s = definition.ttl_ns / SECOND
        self._output_bytes = output_bytes
        self._expired = expired
        self._state: TtlState | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, resumed: TtlState | None = None) -> None:
        """Begin the span, or go on with one that a former process began."""
        if resumed is None:
            self._set_timer(self._ttl_s)
            return
        self._state = resumed
        self._set_timer(min(self._ttl_s, max(0.0, resumed.expires - wall_s())))

    def report(self, status: str, output: str) -> Outcome:
        """Take the service's word: the outcome to show, its output cut to the limit."""
        shown = head(output, self._output_bytes)
        self._state = TtlState(
            check_id=self._check_id, status=status, output=shown, expires=wall_s() + self._ttl_s
        )
        self._set_timer(self._ttl_s)
        return Outcome(status, shown)

    @property
    def state(self) -> TtlState | None:
        """The last report, or None before the first."""
        return self._state

    def stop(self) -> None:
        """End the span without a finding."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, after_s: float) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(after_s, self._on_expiry)

    def _on_expiry(self) -> None:
        self._timer = None
        _log.warning("check missed its TTL and is now critical", check=self._check_id)
        self._expired(critical(self._expired_output()))

    def _expired_output(self) -> str:
        if self._state is None or not self._state.output:
            return EXPIRED
        return f"{EXPIRED} (last output before timeout follows): {self._state.output}"
