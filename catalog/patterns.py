"""Users' regular expressions, in RE2's dialect as Consul's are.

RE2 takes time in proportion to the text, so no pattern of a user can hold up the agent; its memory
is bounded here. The library is loaded when the first pattern is: most agents never see one.
"""

from typing import Any, Final, Protocol

PATTERN_MEMORY_BYTES_MAX: Final = 1024 * 1024  # of one compiled pattern


class PatternError(ValueError):
    """The text is no pattern; ``str()`` is RE2's reason."""


class Pattern(Protocol):
    """A compiled pattern."""

    @property
    def groups(self) -> int:
        """How many groups it captures."""

    def search(self, text: str, /) -> Any:
        """The first match anywhere in the text, as Python's ``re`` gives it; None if none."""


def compile_pattern(text: str) -> Pattern:
    """The pattern of a text. Raises PatternError."""
    import re2

    options = re2.Options()
    options.log_errors = False  # a caller's fault is told to the caller, not to stderr
    options.max_mem = PATTERN_MEMORY_BYTES_MAX
    try:
        pattern: Pattern = re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(text) from None
    return pattern
