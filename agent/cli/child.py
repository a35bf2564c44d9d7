"""A child process that can be ended with all that it started."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from agent.cli.failure import Failure

SHELL: Final = "/bin/sh"
_SIGNAL_BASE: Final = 128  # shells report death by signal N as 128 + N


def command_line(words: Sequence[str], *, shell: bool) -> list[str]:
    """Return the argument list that runs ``words``, with a shell or as they are."""
    return [SHELL, "-c", " ".join(words)] if shell else list(words)


class Child:
    """A running child. Unless it reads our terminal it is a process group of its own."""

    def __init__(
        self, argv: Sequence[str], environment: dict[str, str], *, pass_stdin: bool = False
    ) -> None:
        # A group of its own lets a signal reach what a shell started; a child that reads the
        # terminal must stay in the foreground group, or it would be stopped.
        self._has_group = not (pass_stdin and sys.stdin.isatty())
        sys.stdout.flush()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - running the user's command is the point
                argv,
                stdin=None if pass_stdin else subprocess.DEVNULL,
                env={**os.environ, **environment},
                process_group=0 if self._has_group else None,
            )
        except OSError as error:
            message = f"Error starting child: {argv[0]}: {(error.strerror or '').lower()}"
            raise Failure(message) from error

    def wait(self) -> int:
        """Wait for its end; return its exit code as a shell would."""
        code = self._process.wait()
        return code if code >= 0 else _SIGNAL_BASE - code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and all it started; nothing when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            if self._has_group:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)
