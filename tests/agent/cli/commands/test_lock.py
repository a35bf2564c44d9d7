"""Claims about lock: exit codes, signals, loss. Source: case cli-01."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
MAIN = [sys.executable, "-c", "import sys; from agent.cli.main import main; sys.exit(main())"]
GONE_S = 5.0  # two seconds are promised; a busy machine starts and reaps processes slowly


@pytest.fixture
def start(agent):
    """Start ``proconsul lock`` as a process of its own."""
    running = []

    def run(*argv):
        process = subprocess.Popen(
            [*MAIN, "lock", *argv],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield run
    for process in running:
        # Not SIGKILL: the lock's child would live on.
        process.terminate()
        process.communicate()


def holders(agent):
    return [row.session for row in agent.rows.values() if row.session]


def test_child_runs_with_the_lock_held_and_nothing_stays_behind(agent, cli):
    result = cli("lock", "/lk/p/", "echo $CONSUL_LOCK_HELD")

    assert result.code == 0
    assert agent.rows == {}
    assert agent.sessions == {}
    created = next(r for r in agent.requests if r.path == "/v1/session/create")
    assert b"Consul lock for 'echo $CONSUL_LOCK_HELD' at 'lk/p'" in created.body
    assert any(r.path == "/v1/kv/lk/p/.lock" for r in agent.requests)


@pytest.mark.parametrize(
    ("flags", "code"), [((), 0), (("-child-exit-code",), 3), (("-child-exit-code", "-n=2"), 3)]
)
def test_child_exit_code_is_passed_on_only_when_asked_for(agent, cli, flags, code):
    assert cli("lock", *flags, "lk/p", "exit 3").code == code
    assert agent.rows == {}


def test_arguments_are_kept_apart_without_a_shell(agent, start):
    process = start("-shell=false", "lk/p", "printf", "%s|", "a b", "c")

    assert process.communicate(timeout=5)[0] == "a b|c|"


def test_bad_calls_are_refused(agent, cli):
    assert cli("lock").err == "Key prefix and child command must be specified\n"
    assert cli("lock", "p").code == 1
    assert cli("lock", "-n=0", "p", "x").err == "Lock holder limit must be positive\n"
    assert cli("lock", "-timeout=-1s", "p", "x").err == "Timeout must be positive\n"
    assert cli("lock", "/", "x").code == 1
    assert agent.requests == []


def test_child_that_cannot_start_frees_the_lock(agent, cli):
    result = cli("lock", "-shell=false", "lk/p", "/nonexistent")

    assert result.code == 1
    assert "Error starting child: /nonexistent: no such file or directory" in result.err
    assert holders(agent) == []


def test_no_agent_is_told_in_one_line(cli):
    result = cli("lock", "-http-addr=127.0.0.1:1", "lk/p", "true")

    assert result.code == 1
    assert result.err.startswith("Lock acquisition failed: Put ")


def hold(start, *flags):
    """A lock whose child has started."""
    holder = start(*flags, "lk/p", "echo started; sleep 60")
    assert holder.stdout.readline() == "started\n"
    return holder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_a_waiting_lock_ends_it_within_two_seconds(agent, start, number):
    hold(start)
    waiting = start("-verbose", "lk/p", "echo never")
    assert waiting.stdout.readline() == "Waiting for the lock\n"
    with agent.changed:
        assert agent.changed.wait_for(lambda: len(agent.sessions) == 2, 4)

    waiting.send_signal(number)
    out, err = waiting.communicate(timeout=GONE_S)

    assert waiting.returncode == 1
    assert out == ""
    assert err == "Shutdown triggered during lock acquisition\n"
    assert len(agent.sessions) == 1


@pytest.mark.parametrize("flags", [(), ("-n=2",)])
def test_signal_to_the_holder_ends_the_child_and_frees_the_lock(agent, start, flags):
    holder = hold(start, *flags)

    holder.send_signal(signal.SIGTERM)
    _, err = holder.communicate(timeout=GONE_S)

    assert err == "Shutdown triggered, killing child\n"
    assert holder.returncode == 0
    assert holders(agent) == []
    assert agent.sessions == {}


def test_second_signal_kills_a_child_that_ignores_the_first(agent, start):
    argv = (
        "-child-exit-code",
        "lk/p",
        "trap 'echo ignored' TERM; echo started; sleep 60 & wait; wait; sleep 60",
    )
    holder = start(*argv)
    assert holder.stdout.readline() == "started\n"

    holder.send_signal(signal.SIGTERM)
    assert holder.stdout.readline() == "ignored\n"
    holder.send_signal(signal.SIGTERM)
    holder.communicate(timeout=GONE_S)

    assert holder.returncode == 137
    assert holders(agent) == []


def test_lost_lock_ends_the_child_with_code_1(agent, start):
    holder = hold(start)

    with agent.changed:
        agent.end_session(holders(agent)[0])
    _, err = holder.communicate(timeout=GONE_S)

    assert err.startswith("Lock lost, killing child")
    assert holder.returncode == 1


def test_timeout_gives_up_with_code_1(agent, start, cli, monkeypatch):
    monkeypatch.setattr("tests.agent.cli.fake_agent.BLOCK_S_MAX", 0.05)
    hold(start)

    for flag in ("-timeout=100ms", "-try=100ms"):
        result = cli("lock", flag, "lk/p", "true")
        assert (result.code, result.err) == (1, "Timeout during lock acquisition\n")


def test_standard_input_is_passed_only_when_asked_for(agent):
    for flags, expected in (((), ""), (("-pass-stdin",), "input")):
        done = subprocess.run(
            [*MAIN, "lock", *flags, "lk/p", "cat"],
            cwd=ROOT, input="input", capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
        assert done.stdout == expected
