"""A real process is killed while it acknowledges; what it acknowledged is there afterwards."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.raft.machines import commands_after_restart

ROOT = Path(__file__).resolve().parents[2]
KILLS = 6
ACKNOWLEDGED_BEFORE_KILL = 1500  # past several snapshots and segments


def test_everything_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: dict[int, bytes] = {}
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.raft.proposer", str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        lines = [process.stdout.readline() for _ in range(ACKNOWLEDGED_BEFORE_KILL)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        whole = [line.split() for line in lines if line.endswith(b"\n")]
        acknowledged.update((int(index), command) for index, command in whole)

    recovered = dict(asyncio.run(commands_after_restart(tmp_path)))

    assert len(acknowledged) >= KILLS * ACKNOWLEDGED_BEFORE_KILL
    assert acknowledged == {index: recovered.get(index) for index in acknowledged}
