"""The scripts that a newcomer runs first."""

import subprocess
import time

import pytest

from tests.system.agent_process import ROOT, AgentStarter

pytestmark = pytest.mark.system

SETUP = ROOT / "scripts" / "setup"
# A second run only compares stamps.
SETUP_AGAIN_MAX_S = 1.0


@pytest.mark.parametrize("kind", ["agent", "test"])
def test_second_setup_is_quick_and_silent(kind: str) -> None:
    subprocess.run([SETUP, kind], check=True, timeout=110)

    began = time.monotonic()
    done = subprocess.run([SETUP, kind], capture_output=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.monotonic() - began < SETUP_AGAIN_MAX_S


def test_setup_names_the_kinds_it_knows() -> None:
    done = subprocess.run([SETUP, "nonsense"], capture_output=True, check=False, timeout=60)

    assert done.returncode == 1
    assert b"use agent, test or bench" in done.stderr


def test_start_runs_a_dev_agent_in_the_foreground(start_agent: AgentStarter) -> None:
    agent = start_agent.make(dev=False)
    agent.program = (str(ROOT / "scripts" / "start"),)

    agent.start()

    assert agent.get("/v1/agent/self").json["Config"]["Server"] is True
    assert agent.stop() in (0, 1)
    assert "Traceback" not in agent.log_tail()
