"""A command of the agent: started in a process group of its own, fed, drained, ended with all that
it started in that group. No shell takes part.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from typing_extensions import override

LAST_OUTPUT_WAIT_S: Final = 0.5  # after the exit: what was left behind may hold the pipe open
TERMINATE_WAIT_S: Final = 1.0  # for a command to clean up after itself before it is killed
KILL_WAIT_S: Final = 1.0  # a killed process ends at once unless the kernel holds it
_SIGNAL_BASE: Final = 128  # shells report death by signal N as 128 + N


class ChildProcess(asyncio.SubprocessProtocol):
    """A running command. ``on_output`` gets stdout and stderr, mixed, as they come."""

    def __init__(self, on_output: Callable[[bytes], None]) -> None:
        self._on_output = on_output
        self._exited = asyncio.Event()
        self._drained = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None
        self._is_paused = False

    @classmethod
    async def start(
        cls,
        arguments: Sequence[str],
        on_output: Callable[[bytes], None],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> "ChildProcess":
        """Start ``arguments`` with more variables and an input. Raises OSError or ValueError."""
        child = cls(on_output)
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: child,
            *arguments,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        if stdin:
            # Buffered by the transport; a command that never reads it does no harm.
            pipe = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
            pipe.write(stdin)
            pipe.write_eof()
        return child

    async def wait(self) -> int:
        """Wait for its exit and last output; the exit code as a shell gives it."""
        await self._exited.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_OUTPUT_WAIT_S):
                await self._drained.wait()
        assert self._transport is not None, "started by start()"
        code = self._transport.get_returncode()
        assert code is not None, "it has exited"
        return code if code >= 0 else _SIGNAL_BASE - code

    async def end(self) -> None:
        """End it if it still runs: told first, killed after ``TERMINATE_WAIT_S``."""
        for number, wait_s in ((signal.SIGTERM, TERMINATE_WAIT_S), (signal.SIGKILL, KILL_WAIT_S)):
            if self._exited.is_set():
                break
            self._signal_group(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._exited.wait()
        if self._transport is not None:
            self._transport.close()

    def pause_output(self) -> None:
        """Read no more, so that the command waits once its pipe is full."""
        if not self._is_paused and not self._drained.is_set():
            self._is_paused = True
            self._output_pipe().pause_reading()

    def resume_output(self) -> None:
        """Read on."""
        if self._is_paused and not self._drained.is_set():
            self._is_paused = False
            self._output_pipe().resume_reading()

    def _output_pipe(self) -> asyncio.ReadTransport:
        assert self._transport is not None, "started by start()"
        return cast("asyncio.ReadTransport", self._transport.get_pipe_transport(1))

    def _signal_group(self, number: signal.Signals) -> None:
        # Only while the leader is not reaped: until then its number cannot belong to others.
        assert self._transport is not None, "started by start()"
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._transport.get_pid(), number)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    @override
    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._on_output(data)

    @override
    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._drained.set()

    @override
    def process_exited(self) -> None:
        self._exited.set()
