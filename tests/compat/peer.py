"""A foreign program that a test runs beside the agent, with its output kept for a failure."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Daemons live in sbin on Debian; console scripts of the environment lie beside its Python.
SEARCH_PATH = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
)
# A proxy that drains for longer is killed: nothing of it is needed any more.
STOP_WAIT_S = 5.0


def find_program(name: str) -> str:
    """The program's path; a missing one fails the test, it is never skipped."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        pytest.fail(f"{name} is not installed; scripts/setup test installs it")
    return found


def run_program(name: str, *arguments: str, timeout_s: float = 20.0) -> str:
    """Run a program to its end; what it printed. A non-zero status fails the test."""
    done = subprocess.run(
        [find_program(name), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{name} {arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running_program(log: Path, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon until the block ends; its output is printed, so pytest shows it on failure."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [find_program(name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=log.parent,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        print(f"--- {name}\n{log.read_text(errors='replace')[-4000:]}")
