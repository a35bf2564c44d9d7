"""Commands of the agent: input, output, environment, and that nothing stays behind."""

import asyncio
import os
import signal

import pytest

from agent.child_process import ChildProcess

SHELL = "/bin/sh"


async def run(script: str, **options) -> tuple[int, bytes]:
    output = bytearray()
    child = await ChildProcess.start((SHELL, "-c", script), output.extend, **options)
    try:
        async with asyncio.timeout(10):
            return await child.wait(), bytes(output)
    finally:
        await child.end()


async def test_input_environment_and_both_outputs_pass_through():
    code, output = await run(
        'cat; echo "$NAME"; echo bad >&2; exit 3', stdin=b"in\n", environment={"NAME": "x"}
    )

    assert (code, output) == (3, b"in\nx\nbad\n")


async def test_a_large_input_that_is_never_read_does_no_harm():
    assert await run("exit 0", stdin=b"x" * (1 << 20)) == (0, b"")


async def test_a_large_input_comes_back_whole():
    payload = os.urandom(1 << 20)

    assert await run("cat", stdin=payload) == (0, payload)


async def test_death_by_a_signal_is_told_as_a_shell_does():
    code, _ = await run("kill -9 $$")

    assert code == 128 + signal.SIGKILL


async def test_the_end_reaches_what_the_command_started(monkeypatch):
    monkeypatch.setattr("agent.child_process.TERMINATE_WAIT_S", 0.05)
    output = bytearray()
    started = asyncio.Event()

    def hear(chunk: bytes) -> None:
        output.extend(chunk)
        if output.endswith(b"\n"):
            started.set()

    script = "trap '' TERM; sh -c \"trap '' TERM; echo $$; exec sleep 600\" & echo; wait"
    child = await ChildProcess.start((SHELL, "-c", script), hear)
    await started.wait()
    async with asyncio.timeout(10):
        await child.end()
        code = await child.wait()

    assert code == 128 + signal.SIGKILL


async def test_paused_output_makes_the_command_wait_and_loses_nothing():
    output = bytearray()
    paused = asyncio.Event()

    def hear(chunk: bytes) -> None:
        output.extend(chunk)
        if not paused.is_set():
            paused.set()
            child.pause_output()

    child = await ChildProcess.start((SHELL, "-c", "head -c 1000000 /dev/zero"), hear)
    async with asyncio.timeout(10):
        await paused.wait()
        paused_bytes = len(output)
        child.resume_output()
        code = await child.wait()
    await child.end()

    assert paused_bytes < 1_000_000
    assert (code, len(output)) == (0, 1_000_000)


async def test_an_unknown_command_is_refused():
    with pytest.raises(FileNotFoundError):
        await ChildProcess.start(("no-such-command-anywhere",), lambda _: None)
