"""Claims about dispatch, help, exit codes and start-up. Source: surface.md §6."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.table import COMMANDS
from agent.version import VERSION

ROOT = Path(__file__).parents[3]


def test_unknown_command_gives_127_and_the_overview_on_stderr(cli):
    result = cli("frobnicate")

    assert result.code == 127
    assert result.out == ""
    assert "kv put" in result.err


def test_help_of_everything_and_of_a_family_goes_to_stdout(cli):
    assert "Usage: proconsul <command>" in cli("-help").out
    family = cli("kv", "--help")

    assert family.code == 0
    assert "kv import" in family.out
    assert "members" not in family.out


def test_family_without_a_command_fails_with_its_help_on_stderr(cli):
    result = cli("operator", "raft")

    assert result.code == 1
    assert "list-peers" in result.err


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.parses_itself])
def test_every_command_has_help(cli, command):
    result = cli(*command.words.split(), "-h")

    assert result.code == 0
    assert result.out.startswith(f"Usage: proconsul {command.words}")
    assert all(f"-{flag.name}" in result.out for flag in command.all_flags())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_a_function(command):
    from agent.cli.command import load

    assert callable(load(command.run))


def test_bad_flag_prints_the_reason_then_the_help(cli):
    result = cli("members", "-nope")

    assert result.code == 1
    assert result.err.startswith("flag provided but not defined: -nope\nUsage: proconsul members")


def test_version_names_the_program_and_the_api_it_speaks(cli):
    result = cli("version")

    assert result.out.splitlines()[:2] == [
        f"proconsul v{VERSION}",
        "Consul-compatible: 1.9.8 API",
    ]
    assert result.out.splitlines()[2].startswith("Protocol 2 spoken by default")
    assert f'"Version": "{VERSION}"' in cli("version", "-format=json").out
    assert cli("--version").out == result.out


def test_no_connection_is_one_line_and_no_traceback(cli):
    result = cli("members", "-http-addr=127.0.0.1:1")

    assert result.code == 1
    assert result.out == ""
    assert result.err == (
        'Error retrieving members: Get "http://127.0.0.1:1/v1/agent/members?segment=_all": '
        "dial tcp 127.0.0.1:1: connect: connection refused\n"
    )


def test_start_loads_no_network_library():
    script = (
        "import sys; from agent.cli.main import main; main(['version']);"
        "bad = {'http.client', 'ssl', 'rich', 'asyncio', 'aiohttp', 'hcl'} & set(sys.modules);"
        "sys.exit(', '.join(bad) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.stderr == ""


def test_closed_reader_ends_the_program_quietly(agent):
    agent.say("GET", "/v1/catalog/datacenters", [f"dc{n}" for n in range(20000)])
    script = "import sys; from agent.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        f"{sys.executable} -c '{script}' catalog datacenters | head -1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("dc0\n", "")
