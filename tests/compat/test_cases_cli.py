"""Trouble that scripts met with the command line, with the outcome that is right."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.agent_process import ROOT, AgentProcess, wait_until

pytestmark = pytest.mark.compat

Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def spawn(agent: AgentProcess) -> Iterator[Spawn]:
    """Start a command of the command line and go on; what still runs at the end is killed."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "agent.main", *words],
            cwd=ROOT,
            env=os.environ | {"CONSUL_HTTP_ADDR": agent.http_address},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def holder(agent: AgentProcess, prefix: str) -> str:
    """The session that holds the lock below a prefix, "" when free."""
    answer = agent.get(f"/v1/kv/{prefix}?recurse")
    pairs = answer.json if answer.status == 200 else []
    return next((pair["Session"] for pair in pairs if pair.get("Session")), "")


def test_lock_passes_failure_on_when_asked(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#947."""
    assert agent.run("lock", "lk/exit", "exit 3").returncode == 0
    assert agent.run("lock", "-child-exit-code", "lk/exit", "exit 3").returncode in (2, 3)
    assert agent.run("lock", "-child-exit-code", "lk/exit", "exit 0").returncode == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_waiting_lock_ends_on_a_signal(
    agent: AgentProcess, spawn: Spawn, how: signal.Signals
) -> None:
    """Source: hashicorp/consul#4439, #797."""
    prefix = f"lk/wait-{how.name.lower()}"
    spawn("lock", prefix, "sleep 60")
    wait_until(lambda: holder(agent, prefix), what="the first lock")
    waiting = spawn("lock", prefix, "true")
    wait_until(lambda: len(agent.get("/v1/session/list").json) >= 2, what="a waiting session")

    waiting.send_signal(how)
    began = time.monotonic()
    waiting.wait(10)

    assert time.monotonic() - began < 2


def test_signal_to_the_holder_ends_the_child_and_frees_the_lock(
    agent: AgentProcess, spawn: Spawn, tmp_path: Path
) -> None:
    """Source: hashicorp/consul#797."""
    pid_file = tmp_path / "child"
    command = spawn("lock", "lk/holder", f"echo $$ > {pid_file}; exec sleep 60")
    wait_until(lambda: holder(agent, "lk/holder"), what="the lock")
    wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), what="the child")

    command.terminate()
    command.wait(10)

    wait_until(lambda: not holder(agent, "lk/holder"), what="a free lock")
    child = int(pid_file.read_text())
    wait_until(lambda: not Path(f"/proc/{child}").exists(), what="the child's end")


def test_odd_keys_are_told_or_kept(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3526, #15933."""
    leading = agent.run("kv", "put", "/lead2", "v")
    doubled = agent.run("kv", "put", "cli//b", "v")

    assert leading.returncode == 1
    assert b"Key must not begin with a '/'" in leading.stderr + leading.stdout
    if doubled.returncode == 0:
        assert agent.run("kv", "get", "cli//b").stdout == b"v\n"
    else:
        assert doubled.stderr


def test_missing_key_fails_get_and_not_delete(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#947."""
    missing = agent.run("kv", "get", "cli/none")

    assert missing.returncode == 1
    assert b"No key exists at: cli/none" in missing.stderr + missing.stdout
    assert agent.run("kv", "delete", "cli/none").returncode == 0


def test_value_may_begin_with_a_dash(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3526."""
    assert agent.run("kv", "put", "--", "cli/dash", "-5").returncode == 0
    assert agent.get("/v1/kv/cli/dash?raw").text == "-5"


def test_missing_file_is_an_error_and_writes_nothing(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3526."""
    failed = agent.run("kv", "put", "cli/file", "@/nonexistent/file")

    assert failed.returncode == 1
    assert b"/nonexistent/file" in failed.stderr + failed.stdout
    assert b"Traceback" not in failed.stderr
    assert agent.get("/v1/kv/cli/file").status == 404


def test_binary_values_go_in_and_out_exactly(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3526."""
    binary = b"\xff\x00bin"

    assert agent.run("kv", "put", "cli/binary", "-", stdin=binary).returncode == 0
    assert agent.get("/v1/kv/cli/binary?raw").body == binary
    assert agent.run("kv", "get", "cli/binary").stdout == binary + b"\n"


def test_export_and_import_are_exact(agent: AgentProcess) -> None:
    """Empty stays empty, never "null". Source: gmr/consulate#51, saltstack/salt#42878."""
    agent.put_ok("/v1/kv/exp/binary", b"\xff\x00bin")
    agent.put_ok("/v1/kv/exp/empty", b"")
    agent.put_ok("/v1/kv/exp/flags?flags=42", b"x")
    exported = agent.run("kv", "export", "exp/").stdout
    agent.delete("/v1/kv/exp/?recurse")

    imported = agent.run("kv", "import", "-", stdin=exported)

    assert imported.returncode == 0, imported.stderr
    assert agent.get("/v1/kv/exp/binary?raw").body == b"\xff\x00bin"
    assert agent.get("/v1/kv/exp/empty?raw").body == b""
    assert agent.get("/v1/kv/exp/flags").json[0]["Flags"] == 42
    assert {row["key"] for row in json.loads(exported)} == {"exp/binary", "exp/empty", "exp/flags"}


def test_unreachable_agent_is_an_error_on_stderr(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#947."""
    failed = agent.run("members", "-http-addr=127.0.0.1:1")

    assert failed.returncode == 1
    assert b"Error" in failed.stderr
    assert b"Traceback" not in failed.stderr


def test_unknown_command_prints_help_and_fails(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#947."""
    failed = agent.run("nonsense")

    assert failed.returncode == 127
    assert b"Traceback" not in failed.stderr
