"""The program's edge: faults at start are one line on stderr and exit code 1."""

import pytest

from agent import main


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-datacentre=x"], "datacentre"),
        (["-dev", "-http-port=abc"], "http-port"),
        (["-config-file=/nonexistent.hcl"], "/nonexistent.hcl"),
        (["-dev", "-data-dir=/proc/none"], "/proc/none"),
    ],
)
def test_a_fault_at_start_is_one_line(argv, said, capsys):
    assert main.run_agent(argv) == 1

    error = capsys.readouterr().err
    assert error.startswith("==> ")
    assert said in error
    assert "Traceback" not in error


def test_commands_go_to_the_command_line(capsys):
    assert main.main(["-version"]) == 0
    assert "0.1.0" in capsys.readouterr().out
