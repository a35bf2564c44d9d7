"""Background work: the only place that starts tasks, and the measure of loop lag.

A task has a name, and its failure is reported once with that name; nothing runs unowned.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from agent.clock import monotonic_s

LAG_PROBE_INTERVAL_S: Final = 0.1  # often enough to see a stall that would delay a heartbeat
LAG_REPORT_S: Final = 0.1  # a tenth of the smallest heartbeat interval budget

_log = structlog.get_logger("agent.tasks")


class Tasks:
    """The tasks of one owner; ``close`` cancels and awaits them all."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self.loop_lag_s = 0.0

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run ``work`` in the background under ``name``; an exception is logged, not lost."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task failed", task=task.get_name(), exc_info=error)

    async def measure_lag(self) -> None:
        """Keep ``loop_lag_s``: how late the loop runs a timer that was due."""
        while True:
            due_s = monotonic_s() + LAG_PROBE_INTERVAL_S
            await asyncio.sleep(LAG_PROBE_INTERVAL_S)
            self.loop_lag_s = max(0.0, monotonic_s() - due_s)
            if self.loop_lag_s > LAG_REPORT_S:
                _log.warning("event loop lagged", lag_ms=round(self.loop_lag_s * 1000))

    async def close(self) -> None:
        """Cancel every task and wait until all have ended."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        for task in running:
            try:
                await task
            except asyncio.CancelledError:
                continue
            except Exception:  # noqa: BLE001, S112 - reported by _ended
                continue
