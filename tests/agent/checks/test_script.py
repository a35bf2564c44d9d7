import asyncio
import os
import sys
from pathlib import Path

import pytest

from agent.checks.definition import CheckType
from agent.checks.script import ScriptProbe
from catalog.rows.check import CRITICAL, PASSING, WARNING

MILLISECOND = 1_000_000


async def run(*arguments, output_bytes=4096, **fields):
    return await ScriptProbe(CheckType(script_args=arguments, **fields), output_bytes).run()


@pytest.mark.parametrize(
    ("code", "expected"), [("0", PASSING), ("1", WARNING), ("2", CRITICAL), ("99", CRITICAL)]
)
async def test_exit_code_decides(code, expected):
    assert expected == (await run("/bin/sh", "-c", f"exit {code}")).status


async def test_output_is_both_streams():
    outcome = await run("/bin/sh", "-c", "echo out; echo err >&2")

    assert outcome.output == "out\nerr\n"


async def test_arguments_meet_no_shell():
    assert (await run("echo", "$HOME ; x")).output == "$HOME ; x\n"


async def test_missing_program_is_critical_and_named():
    outcome = await run("/no/such/program")

    assert outcome.status == CRITICAL
    assert outcome.output == 'exec: "/no/such/program": no such file or directory'


async def test_argument_with_a_nul_is_critical():
    assert (await run("echo", "a\0b")).status == CRITICAL


async def test_timeout_kills_the_whole_group_and_keeps_the_output(tmp_path):
    note = tmp_path / "child"
    command = f"sleep 60 & echo $! > {note}; echo started; wait"

    outcome = await run("/bin/sh", "-c", command, timeout_ns=600 * MILLISECOND)

    assert outcome.status == CRITICAL
    assert outcome.at_once
    assert outcome.output == "Timed out (600ms) running check\n\nstarted\n"
    await until_gone(int(note.read_text()))


async def test_cancelled_check_leaves_nothing_running(tmp_path):
    note = tmp_path / "pid"
    task = asyncio.create_task(
        run("/bin/sh", "-c", f"echo $$ > {note}.new; mv {note}.new {note}; sleep 60")
    )
    while not note.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    await until_gone(int(note.read_text()))


async def test_child_left_behind_does_not_delay_the_verdict(tmp_path):
    note = tmp_path / "child"

    outcome = await run("/bin/sh", "-c", f"sleep 60 & echo $! > {note}; echo done")

    os.kill(int(note.read_text()), 9)
    assert outcome.status == PASSING
    assert outcome.output == "done\n"


async def test_long_binary_output_keeps_its_tail_as_text():
    outcome = await run(
        sys.executable,
        "-S",
        "-c",
        "import os; os.write(1, b'x' * 100000 + bytes([255]) + b'end')",
        output_bytes=8,
    )

    assert outcome.output == "Captured 8 of 100004 bytes\n...\nxxxx\ufffdend"


async def test_flood_of_output_is_stopped(monkeypatch):
    monkeypatch.setattr("agent.checks.script.OUTPUT_READ_BYTES_MAX", 1 << 20)

    outcome = await run("yes", output_bytes=4)

    assert outcome.status == CRITICAL
    assert outcome.output.startswith("Stopped after 1048576 bytes of output")


async def until_gone(process_id):
    # A killed orphan may linger as a zombie until its new parent takes notice.
    while True:
        try:
            if state_of(process_id) in {"Z", "X"}:
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        await asyncio.sleep(0.01)


def state_of(process_id):
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
