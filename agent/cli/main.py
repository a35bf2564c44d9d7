"""The entry of the command line: find the command, run it, turn failures into text and a code."""

import os
import sys
from collections.abc import Sequence

from agent.cli.command import Call, load
from agent.cli.failure import EXIT_FAILED, EXIT_OK, EXIT_UNKNOWN_COMMAND, Failure
from agent.cli.flags import HelpRequested, Parsed, parse
from agent.cli.table import below, find

_HELP = frozenset({"-h", "-help", "--help"})
_VERSION = frozenset({"-v", "-version", "--version"})
_EXIT_INTERRUPTED = 130  # what shells give for SIGINT


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code; ``argv`` is without the program's name."""
    for stream in (sys.stdout, sys.stderr):
        _keep_odd_bytes(stream)
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone. Point stdout elsewhere so that the interpreter's
        # own flush at exit does not fail as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return code


def _keep_odd_bytes(stream: object) -> None:
    # Arguments that are no UTF-8 come with surrogates (PEP 383); print back the same bytes.
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="surrogateescape")


def _run(argv: Sequence[str]) -> int:
    if argv and argv[0] in _VERSION:
        argv = ["version"]
    found = find(argv)
    if found is None:
        return _not_a_command(argv)
    command, rest = found
    if command.parses_itself:
        return _outcome(command.run, Call(command, Parsed({}, frozenset(), tuple(rest))))
    try:
        parsed = parse(command.all_flags(), rest)
    except HelpRequested:
        from agent.cli.help import of_command

        print(of_command(command))
        return EXIT_OK
    except Failure as failure:
        from agent.cli.help import of_command

        print(f"{failure}\n{of_command(command)}", file=sys.stderr)
        return failure.exit_code
    return _outcome(command.run, Call(command, parsed))


def _outcome(run: str, call: Call) -> int:
    try:
        return load(run)(call)
    except Failure as failure:
        sys.stdout.flush()
        print(failure, file=sys.stderr)
        return failure.exit_code


def _not_a_command(argv: Sequence[str]) -> int:
    """Print the help of the family that ``argv`` names, or of everything."""
    from agent.cli.help import overview

    words = list(argv)
    wants_help = bool(words) and words[-1] in _HELP
    family = " ".join(word for word in words if not word.startswith("-"))
    if not below(family):
        print(overview(), file=sys.stderr)
        return EXIT_UNKNOWN_COMMAND
    if wants_help:
        print(overview(family))
        return EXIT_OK
    print(overview(family), file=sys.stderr)
    return EXIT_FAILED if family else EXIT_UNKNOWN_COMMAND
