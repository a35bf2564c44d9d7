"""Script check: runs a command and judges its exit code: 0 passing, 1 warning, else critical.

The command gets its own session, hence its own process group: on a timeout the whole group is
killed. Output is drained as it comes into a ring of fixed size. No shell takes part.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from typing import Final, cast

from typing_extensions import override

from agent.checks.definition import CheckType
from agent.checks.dial import reason
from agent.checks.outcome import Outcome, by_exit_code, critical
from agent.checks.output import Tail
from agent.checks.settings import COMMAND_TIMEOUT_NS, timeout_ns
from catalog.duration import SECOND, format_duration
from catalog.rows.check import CRITICAL

LAST_OUTPUT_WAIT_S: Final = 0.5  # after the exit: a child left behind may hold the pipe open
KILL_WAIT_S: Final = 1.0  # a killed process ends at once unless the kernel holds it
OUTPUT_READ_BYTES_MAX: Final = 64 << 20  # a command that floods its output is stopped here


class ScriptProbe:
    """Runs the command of a definition to its end or to its timeout."""

    def __init__(self, definition: CheckType, output_bytes: int) -> None:
        self._arguments = definition.script_args
        self._output_bytes = output_bytes
        self._timeout_ns = timeout_ns(definition, COMMAND_TIMEOUT_NS)

    async def run(self) -> Outcome:
        """The judged exit code with the tail of the output."""
        return await run_command(self._arguments, self._output_bytes, self._timeout_ns)


async def run_command(arguments: tuple[str, ...], output_bytes: int, limit_ns: int) -> Outcome:
    """Run ``arguments`` and judge the exit code; nothing of it is left running afterwards.

    ``limit_ns`` is the time it may take. Reaching it is critical at once, past any threshold.
    """
    loop = asyncio.get_running_loop()
    command = _Command(output_bytes)
    try:
        transport, _ = await loop.subprocess_exec(
            lambda: command,
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return critical(f'exec: "{arguments[0]}": {reason(error)}')
    process_id = transport.get_pid()
    try:
        async with asyncio.timeout(limit_ns / SECOND):
            await command.exited.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_OUTPUT_WAIT_S):
                await command.drained.wait()
        return command.judge(transport.get_returncode())
    except TimeoutError:
        text = f"Timed out ({format_duration(limit_ns)}) running check"
        output = command.tail.text()
        return Outcome(CRITICAL, f"{text}\n\n{output}" if output else text, at_once=True)
    finally:
        await _end(process_id, command)
        transport.close()


async def _end(process_id: int, command: "_Command") -> None:
    """Kill the command if it still runs, and see it off, so that runs never overlap."""
    if command.exited.is_set():
        return
    _kill_group(process_id)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILL_WAIT_S):
            await command.exited.wait()


def _kill_group(process_id: int) -> None:
    # Only while the leader is not reaped: until then its number cannot belong to others.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal.SIGKILL)


class _Command(asyncio.SubprocessProtocol):
    """Collects what a command writes and notes its end."""

    def __init__(self, output_bytes: int) -> None:
        self.tail = Tail(output_bytes)
        self.exited = asyncio.Event()
        self.drained = asyncio.Event()
        self._process_id = 0
        self._flooded = False

    def judge(self, exit_code: int | None) -> Outcome:
        assert exit_code is not None, "judged before its exit"
        if self._flooded:
            return critical(
                f"Stopped after {OUTPUT_READ_BYTES_MAX} bytes of output\n\n{self.tail.text()}"
            )
        return by_exit_code(exit_code, self.tail.text())

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process_id = cast("asyncio.SubprocessTransport", transport).get_pid()

    @override
    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.tail.write(data)
        if self.tail.written_bytes > OUTPUT_READ_BYTES_MAX and not self._flooded:
            self._flooded = True
            if not self.exited.is_set():
                _kill_group(self._process_id)

    @override
    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.drained.set()

    @override
    def process_exited(self) -> None:
        self.exited.set()
