"""Claims about the text of -help."""

from agent.cli.help import WIDTH_COLUMNS, flag_groups, of_command, overview, usage
from agent.cli.table import COMMANDS, below


def test_overview_names_every_command():
    text = overview()

    assert all(command.words in text for command in COMMANDS)


def test_overview_of_a_family_names_only_its_own():
    text = overview("kv")

    assert all(command.words in text for command in below("kv"))
    assert "catalog nodes" not in text


def test_help_of_a_command_has_its_usage_and_each_flag():
    for command in COMMANDS:
        text = of_command(command)

        assert usage(command) in text
        for _title, flags in flag_groups(command):
            assert all(f"-{flag.name}" in text for flag in flags)


def test_prose_fits_a_terminal():
    prose = [
        line
        for command in COMMANDS
        for line in of_command(command).splitlines()
        if line.startswith("      ") and " " in line.strip()
    ]

    assert max(map(len, prose)) <= WIDTH_COLUMNS
