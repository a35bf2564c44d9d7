"""The process about itself: memory, tasks, garbage collection, loop lag.

Consul's names speak of Go; each is filled with what comes closest in CPython.
"""

import asyncio
import gc
import resource
import sys
from pathlib import Path
from typing import Final

from agent.clock import monotonic_s, wall_s
from agent.tasks import Tasks
from agent.telemetry.metrics import Metrics
from catalog.duration import SECOND

ADVANCE_INTERVAL_S: Final = 1.0  # closes an interval at most this late
_MEMORY: Final = Path("/proc/self/statm")  # pages: size, resident, ... ; Linux only


class Runtime:
    """Sets the ``consul.runtime`` gauges whenever metrics are shown."""

    def __init__(self, metrics: Metrics, tasks: Tasks) -> None:
        self._metrics = metrics
        self._tasks = tasks
        self._gc_start_s = 0.0
        self._gc_pause_ns = 0
        self._gc_runs = 0

    def start(self) -> None:
        """Begin to observe; ``stop`` ends it."""
        gc.callbacks.append(self._on_gc)
        self._metrics.on_collect(self._collect)
        self._tasks.start("metrics intervals", self._keep_intervals())

    def stop(self) -> None:
        """Leave the garbage collector's list of observers."""
        if self._on_gc in gc.callbacks:
            gc.callbacks.remove(self._on_gc)

    async def _keep_intervals(self) -> None:
        while True:
            await asyncio.sleep(ADVANCE_INTERVAL_S)
            self._metrics.advance(wall_s())

    def _on_gc(self, phase: str, _details: dict[str, int]) -> None:
        if phase == "start":
            self._gc_start_s = monotonic_s()
            return
        pause_ns = int((monotonic_s() - self._gc_start_s) * SECOND)
        self._gc_pause_ns += pause_ns
        self._gc_runs += 1
        self._metrics.sample("consul.runtime.gc_pause_ns", pause_ns)

    def _collect(self, metrics: Metrics) -> None:
        size_bytes, resident_bytes = memory_bytes()
        metrics.gauge("consul.runtime.alloc_bytes", resident_bytes)
        metrics.gauge("consul.runtime.sys_bytes", size_bytes)
        metrics.gauge("consul.runtime.heap_objects", sys.getallocatedblocks())
        metrics.gauge("consul.runtime.num_goroutines", task_count())
        metrics.gauge("consul.runtime.total_gc_pause_ns", self._gc_pause_ns)
        metrics.gauge("consul.runtime.total_gc_runs", self._gc_runs)
        metrics.gauge("consul.runtime.loop_lag_ms", round(self._tasks.loop_lag_s * 1000, 3))


def memory_bytes() -> tuple[int, int]:
    """Bytes of the address space and of resident memory; the peak of the latter off Linux."""
    try:
        size, resident, *_ = _MEMORY.read_text().split()
    except OSError:
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return peak_bytes, peak_bytes
    page_bytes = resource.getpagesize()
    return int(size) * page_bytes, int(resident) * page_bytes


def task_count() -> int:
    """Tasks of the running event loop; 0 outside of one."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0
