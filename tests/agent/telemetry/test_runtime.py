import asyncio
import gc

from agent.tasks import Tasks
from agent.telemetry.metrics import Metrics
from agent.telemetry.runtime import Runtime, memory_bytes


async def test_process_is_observed_until_stop(monkeypatch):
    tasks, metrics = Tasks(), Metrics(now_s=0)
    monkeypatch.setattr("agent.telemetry.runtime.ADVANCE_INTERVAL_S", 0.01)
    callbacks_before = len(gc.callbacks)
    runtime = Runtime(metrics, tasks)

    runtime.start()
    gc.collect()
    tasks.loop_lag_s = 0.25
    shown = {series.metric.name: series for series in metrics.collect()}
    await asyncio.sleep(0.05)
    start_s, _ = metrics.shown_interval()
    runtime.stop()
    runtime.stop()
    await tasks.close()

    assert shown["consul.runtime.alloc_bytes"].gauge > 1_000_000
    assert shown["consul.runtime.num_goroutines"].gauge >= 1
    assert shown["consul.runtime.heap_objects"].gauge > 1000
    assert shown["consul.runtime.total_gc_runs"].gauge >= 1
    assert shown["consul.runtime.loop_lag_ms"].gauge == 250
    assert shown["consul.runtime.gc_pause_ns"].total_count >= 1
    assert len(gc.callbacks) == callbacks_before
    assert start_s == 0, "the interval that began at the epoch is complete"
    assert metrics.shown_interval()[1](shown["consul.runtime.gc_pause_ns"]).count >= 1


def test_gauges_are_zero_tasks_outside_of_a_loop():
    metrics = Metrics(now_s=0)
    Runtime(metrics, Tasks())._collect(metrics)

    shown = {series.metric.name: series.gauge for series in metrics.collect()}

    assert shown["consul.runtime.num_goroutines"] == 0


def test_memory_is_known_without_proc(monkeypatch, tmp_path):
    monkeypatch.setattr("agent.telemetry.runtime._MEMORY", tmp_path / "none")

    size_bytes, resident_bytes = memory_bytes()

    assert size_bytes == resident_bytes > 0
