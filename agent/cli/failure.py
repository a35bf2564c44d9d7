"""How a command fails: text for standard error and an exit code, never a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_EMPTY_OR_CHILD: Final = 2  # nothing matched (members), or a remote child failed (exec)
EXIT_UNKNOWN_COMMAND: Final = 127


class Failure(Exception):
    """The command cannot go on; ``str()`` is the whole text for the user."""

    def __init__(self, text: str, *, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class ApiError(Failure):
    """The agent answered with an error status; ``reason`` is the body of the answer.

    ``index`` lets a blocking query wait for what a 404 says is absent.
    """

    def __init__(self, status: int, reason: str, *, index: int = 0) -> None:
        super().__init__(f"Unexpected response code: {status} ({reason})")
        self.status = status
        self.reason = reason
        self.index = index


class TransportError(Failure):
    """The agent could not be reached, or the connection broke."""


@contextmanager
def explaining(prefix: str) -> Iterator[None]:
    """Put ``prefix: `` before the text of a Failure raised inside."""
    try:
        yield
    except Failure as failure:
        raise Failure(f"{prefix}: {failure}", exit_code=failure.exit_code) from failure
