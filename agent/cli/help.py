"""The text of -help: the whole list, a family such as ``kv``, or one command."""

from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap
from typing import Final

from agent.cli.command import HTTP_FLAGS, SERVER_FLAGS, Command
from agent.cli.flags import Flag
from agent.cli.table import below

PROGRAM: Final = "proconsul"
WIDTH_COLUMNS: Final = 80  # a terminal's traditional width


def overview(words: str = "") -> str:
    """Help of every command below ``words``, grouped."""
    start = f"{PROGRAM} {words}".rstrip()
    lines = [f"Usage: {start} <command> [<flags>] [<arguments>]"]
    commands = below(words)
    width = max(len(command.words) for command in commands)
    for group, members in groupby(commands, key=lambda command: command.group):
        lines += ["", f"{group}:"]
        lines += [f"  {member.words.ljust(width)}  {member.summary}" for member in members]
    lines += ["", f"Run '{start} <command> -help' for one command."]
    return "\n".join(lines)


def of_command(command: Command) -> str:
    """Help of one command: usage, what it does, its flags, those of the connection."""
    lines = [f"Usage: {PROGRAM} {usage(command)}", "", f"  {command.summary}."]
    if command.notes:
        lines += ["", *_wrapped(command.notes, "  ")]
    for title, flags in flag_groups(command):
        lines += ["", f"{title}:"]
        for flag in flags:
            lines += ["", f"  {flag_usage(flag)}", *_wrapped(flag_doc(flag), "      ")]
    return "\n".join(lines)


def usage(command: Command) -> str:
    """Return the words of a command with placeholders for flags and arguments."""
    flags = " [flags]" if command.all_flags() else ""
    return f"{command.words}{flags} {command.usage}".rstrip()


def flag_groups(command: Command) -> list[tuple[str, Sequence[Flag]]]:
    """Return a command's flags under the titles that help and documentation use."""
    groups: list[tuple[str, Sequence[Flag]]] = [
        ("Flags", command.flags),
        ("Connection flags", HTTP_FLAGS if command.http else ()),
        ("Server flags", SERVER_FLAGS if command.server else ()),
    ]
    return [(title, flags) for title, flags in groups if flags]


def flag_usage(flag: Flag) -> str:
    """``-name=<kind>``, or ``-name`` for a switch."""
    return f"-{flag.name}=<{flag.kind.value}>" if flag.kind.value else f"-{flag.name}"


def flag_doc(flag: Flag) -> str:
    """Return what a flag means, with its default."""
    return f"{flag.doc} Default: {flag.default}." if flag.default else flag.doc


def _wrapped(text: str, indent: str) -> list[str]:
    return wrap(text, WIDTH_COLUMNS, initial_indent=indent, subsequent_indent=indent)
