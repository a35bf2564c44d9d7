"""Every command of ``proconsul``: the one table that drives parsing, help and documentation.

Source: Consul 1.9.8's commands, with the additions of 1.21 that suit a single open agent.
"""

from collections.abc import Sequence
from typing import Final

from agent.cli.command import Command
from agent.cli.rows import agent, certificates, cluster, keys, mesh, mesh_view, services

COMMANDS: Final[tuple[Command, ...]] = (
    *agent.ROWS,
    *cluster.ROWS,
    *keys.ROWS,
    *services.ROWS,
    *mesh.ROWS,
    *mesh_view.ROWS,
    *certificates.ROWS,
)
# How many words may name a command; a longer line need not be looked up.
_WORD_COUNT_MAX: Final = max(len(command.words.split()) for command in COMMANDS)


def find(argv: Sequence[str]) -> tuple[Command, Sequence[str]] | None:
    """Return the command that ``argv`` begins with and the arguments after its words."""
    by_words = {command.words: command for command in COMMANDS}
    for count in range(min(_WORD_COUNT_MAX, len(argv)), 0, -1):
        if (command := by_words.get(" ".join(argv[:count]))) is not None:
            return command, argv[count:]
    return None


def below(words: str) -> tuple[Command, ...]:
    """Return the commands whose words begin with ``words``; all of them when it is empty."""
    start = f"{words} " if words else ""
    return tuple(command for command in COMMANDS if command.words.startswith(start))
