"""Writes ``docs/reference/cli.md`` from the command table: ``python -m agent.cli.docs``."""

from itertools import groupby
from pathlib import Path
from typing import Final

from agent.cli.command import HTTP_FLAGS, SERVER_FLAGS, Command
from agent.cli.flags import Flag
from agent.cli.help import PROGRAM, flag_doc, flag_usage, usage
from agent.cli.table import COMMANDS

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
_INTRODUCTION: Final = f"""# Command line

`{PROGRAM}` speaks to an agent over its HTTP API. This page is generated from the table of
commands by `python -m agent.cli.docs`.

Flags are written with one or two dashes, as `-flag=value` or `-flag value`; switches as
`-switch` or `-switch=false`. They come before the arguments; the first argument that is no flag,
or `--`, ends them.

| Exit code | Meaning |
|---|---|
| 0 | Done. |
| 1 | Failed; the reason is on standard error. |
| 2 | `members`: nothing matched. `exec`: the command failed on a node. |
| 127 | No such command. |
| 130 | Interrupted. |
"""
_ENVIRONMENT: Final = """
These variables take effect where no flag is given: `CONSUL_HTTP_SSL` (`true` for HTTPS),
`CONSUL_HTTP_SSL_VERIFY` (`false` to accept any certificate), `CONSUL_HTTP_AUTH` (`user:password`
for a proxy in front of the agent), and those named above.
"""


def page() -> str:
    """Return the whole page."""
    parts = [_INTRODUCTION]
    parts += ["## Connection flags\n", "Every command that speaks to an agent has these.\n"]
    parts += [_flag_table(HTTP_FLAGS), _ENVIRONMENT]
    parts += ["## Server flags\n", "Commands whose answer comes from the servers have these.\n"]
    parts.append(_flag_table(SERVER_FLAGS))
    for group, commands in groupby(COMMANDS, key=lambda command: command.group):
        parts.append(f"\n## {group}\n")
        parts += [_section(command) for command in commands]
    return "\n".join(parts)


def _section(command: Command) -> str:
    lines = [f"### {command.words}\n", f"{command.summary}.\n"]
    lines.append(f"    {PROGRAM} {usage(command)}\n")
    if command.notes:
        lines.append(f"{command.notes}\n")
    if command.flags:
        lines.append(_flag_table(command.flags))
    kinds = [
        name for name, has in (("connection", command.http), ("server", command.server)) if has
    ]
    if kinds:
        lines.append(f"Also: {' and '.join(kinds)} flags.\n")
    return "\n".join(lines)


def _flag_table(flags: tuple[Flag, ...]) -> str:
    rows = [f"| `{flag_usage(flag)}` | {flag_doc(flag)} |" for flag in flags]
    return "\n".join(["| Flag | Meaning |", "|---|---|", *rows, ""])


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
