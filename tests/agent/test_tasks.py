"""Background work with an owner."""

import asyncio

import pytest
import structlog

from agent import tasks as module
from agent.tasks import Tasks
from tests.agent.harness import until


async def test_closing_cancels_and_awaits_every_task():
    tasks, ended = Tasks(), []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append(1)

    for _ in range(3):
        tasks.start("work", work())
    await asyncio.sleep(0)
    await tasks.close()
    await asyncio.sleep(0)

    assert (ended, tasks._running) == ([1, 1, 1], set())


async def test_a_failure_is_reported_once_with_its_name():
    tasks = Tasks()

    async def fail() -> None:
        raise ZeroDivisionError

    with structlog.testing.capture_logs() as logs:
        task = tasks.start("dividing", fail())
        with pytest.raises(ZeroDivisionError):
            await task
        await asyncio.sleep(0)
        await tasks.close()

    assert [(log["event"], log["task"]) for log in logs] == [("task failed", "dividing")]


async def test_a_task_may_close_its_own_owner():
    tasks = Tasks()

    async with asyncio.timeout(5):
        await tasks.start("closing", tasks.close())


async def test_a_stalled_loop_is_measured(monkeypatch):
    monkeypatch.setattr(module, "LAG_PROBE_INTERVAL_S", 0.001)
    monkeypatch.setattr(module, "LAG_REPORT_S", 0.0)
    tasks = Tasks()

    with structlog.testing.capture_logs() as logs:
        tasks.start("lag", tasks.measure_lag())
        await until(lambda: logs)
        await tasks.close()

    assert logs[0]["event"] == "event loop lagged"
    assert tasks.loop_lag_s > 0
