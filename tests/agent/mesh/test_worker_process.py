import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.mesh.worker_process import WorkerProcess, is_any_alive, start_worker

WAIT_S = 20.0  # for a process to end on two busy cores


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of somebody else, that waits."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.communicate()


async def ended(process: WorkerProcess) -> None:
    async with asyncio.timeout(WAIT_S):
        await process.exited.wait()


async def test_a_worker_is_started_noticed_and_reaped(tmp_path: Path) -> None:
    lock = tmp_path / "worker.lock"
    process = start_worker(
        ["--feed", str(tmp_path / "feed.sock")], lock, keeps_output=False, environment=os.environ
    )

    assert os.getpgid(process.number) == process.number
    assert is_any_alive(lock)
    process.signal(signal.SIGKILL)
    await ended(process)

    assert not is_any_alive(lock)
    assert str(process.number) not in os.listdir("/proc")
    process.signal(signal.SIGKILL)


async def test_a_worker_that_cannot_begin_ends(tmp_path: Path) -> None:
    process = start_worker([], tmp_path / "lock", keeps_output=False, environment=os.environ)

    await ended(process)


async def test_the_end_of_another_ones_child_is_noticed(child: "subprocess.Popen[bytes]") -> None:
    process = WorkerProcess(child.pid)
    assert not process.exited.is_set()

    child.kill()

    await ended(process)


async def test_a_process_that_has_ended_cannot_be_looked_after(
    child: "subprocess.Popen[bytes]",
) -> None:
    child.kill()
    child.communicate()

    with pytest.raises(ProcessLookupError):
        WorkerProcess(child.pid)


async def test_one_that_is_forgotten_lives_on(child: "subprocess.Popen[bytes]") -> None:
    process = WorkerProcess(child.pid)

    process.forget()

    assert child.poll() is None


def test_without_a_lock_nobody_is_alive(tmp_path: Path) -> None:
    assert not is_any_alive(tmp_path / "none")
