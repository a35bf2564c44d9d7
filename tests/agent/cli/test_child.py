"""Claims about child processes."""

import os
import signal

import pytest

from agent.cli.child import Child, command_line
from agent.cli.failure import Failure


def test_shell_joins_the_words_and_no_shell_keeps_them():
    assert command_line(["a", "b c"], shell=True) == ["/bin/sh", "-c", "a b c"]
    assert command_line(["a", "b c"], shell=False) == ["a", "b c"]


def test_exit_code_is_a_shells():
    assert Child(["/bin/sh", "-c", "exit 3"], {}).wait() == 3
    assert Child(["/bin/sh", "-c", "kill -9 $$"], {}).wait() == 137


def test_signal_reaches_what_the_shell_started(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # The inner shell holds the pipe open for writing until it is ended.
    child = Child(["/bin/sh", "-c", f"(echo started; sleep 60) >{fifo} & wait"], {})
    with fifo.open() as pipe:
        assert pipe.readline() == "started\n"

        child.send(signal.SIGTERM)

        assert pipe.read() == ""  # every writer has gone
    assert child.wait() == 143
    child.send(signal.SIGTERM)


def test_missing_program_is_named():
    with pytest.raises(Failure, match="Error starting child: /nonexistent: no such file"):
        Child(["/nonexistent"], {})
