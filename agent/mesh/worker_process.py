"""A worker process: started so that it can outlive the agent, and noticed when it ends.

It has a session of its own and no pipe to the agent. It holds a shared lock on the lock file of its
slot as long as it lives, which tells the next agent that a worker is there and will come back. Its
end is told by a pidfd (Linux), whether it is our child or another agent's.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import proxy

LOCK_NUMBER: Final = 3
"""The descriptor that keeps the lock in a worker, the first after the standard ones."""


class WorkerProcess:
    """A process by its number; ``exited`` is set when it has ended. Raises OSError if it has."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.exited = asyncio.Event()
        self._handle = os.pidfd_open(number)
        asyncio.get_running_loop().add_reader(self._handle, self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def forget(self) -> None:
        """Notice its end no more."""
        if not self.exited.is_set():
            asyncio.get_running_loop().remove_reader(self._handle)
            os.close(self._handle)
            self.exited.set()

    def _ended(self) -> None:
        self.forget()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.number, os.WNOHANG)  # another agent's child is not ours to reap


def start_worker(
    arguments: Sequence[str], lock: Path, *, keeps_output: bool, environment: Mapping[str, str]
) -> WorkerProcess:
    """Start ``python -m proxy`` with arguments. Raises OSError.

    ``keeps_output``: it writes where the agent does; else to nowhere, until it opens its log.
    """
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        silence = [
            (os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0)
            for number in ((0,) if keeps_output else (0, 1, 2))
        ]
        number = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "proxy", *arguments],
            {**environment, "PYTHONPATH": _import_path(environment), "PYTHONSAFEPATH": "1"},
            file_actions=[*silence, (os.POSIX_SPAWN_DUP2, held.fileno(), LOCK_NUMBER)],
            setsid=True,
        )
    return WorkerProcess(number)


def is_any_alive(lock: Path) -> bool:
    """Whether a worker of an earlier agent lives that was started with this lock file."""
    try:
        with lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _import_path(environment: Mapping[str, str]) -> str:
    # The worker is of the same code as the agent, wherever the agent was started.
    ours = str(Path(proxy.__file__).resolve().parents[1])
    others = environment.get("PYTHONPATH", "")
    return f"{ours}{os.pathsep}{others}" if others else ours
