"""`proconsul exec` against a real agent that takes part."""

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter

pytestmark = pytest.mark.system

ENABLED = "-hcl=disable_remote_exec = false"


def keys(agent: AgentProcess) -> int:
    return agent.get("/v1/kv/_rexec/?keys").status


def test_exec_runs_a_command_and_tells_output_and_exit_code(start_agent: AgentStarter) -> None:
    agent = start_agent("-node=worker", ENABLED)

    done = agent.run("exec", "-wait=1s", "echo out; echo bad >&2; sleep 1.5; exit 3")
    script = agent.run("exec", "-wait=500ms", "-", stdin=b"#!/bin/sh\necho script\n")

    assert done.returncode == 2
    assert done.stdout.decode().splitlines() == [
        "    worker: out",
        "    worker: bad",
        "==> worker: finished with exit code 3",
        "1 / 1 node(s) completed / acknowledged",
    ]
    assert (script.returncode, b"    worker: script\n" in script.stdout) == (0, True)
    assert keys(agent) == 404
    assert agent.get("/v1/event/list").json == []


def test_an_agent_takes_no_part_unless_told(agent: AgentProcess) -> None:
    done = agent.run("exec", "-wait=300ms", "true")

    assert done.stdout.decode().splitlines() == ["0 / 0 node(s) completed / acknowledged"]
    assert "remote exec is disabled" in agent.log_tail()
