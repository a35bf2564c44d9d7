"""Configuration as written: objects that remember where each key stands, and the one error.

A parser gives a ``Block``, the later stages (``normalise``, ``merge``) keep the origins, so that a
complaint about the merged whole still names the file and line of the key that caused it.
"""

from typing import Any, NamedTuple

from typing_extensions import override


class Origin(NamedTuple):
    """Where a key was written: a file (or ``flag -x``) and a line from 1, 0 when it has none."""

    file: str
    line: int = 0

    @override
    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Block(dict[str, Any]):
    """An object of a configuration text; ``origins`` says where each of its keys stands."""

    __slots__ = ("origins",)

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self.origins: dict[str, Origin] = {}

    def put(self, key: str, value: Any, origin: Origin | None) -> None:
        """Set a key and remember its origin."""
        self[key] = value
        if origin is None:
            self.origins.pop(key, None)
        else:
            self.origins[key] = origin

    def origin_of(self, path: str) -> Origin | None:
        """The origin of ``ports.http``, or of the nearest key above it; None for a default."""
        found: Origin | None = None
        here: Any = self
        for key in path.split("."):
            if not isinstance(here, Block):
                break
            found = here.origins.get(key, found)
            here = here.get(key)
        return found


class ConfigError(Exception):
    """The configuration cannot be used; ``str(error)`` is the message for the user.

    ``path`` is the dotted key (``ports.http``) or empty, ``origin`` its place where it is known.
    """

    def __init__(self, message: str, *, path: str = "", origin: Origin | None = None) -> None:
        text = f"{path}: {message}" if path else message
        super().__init__(f"{origin}: {text}" if origin else text)
        self.message = message
        self.path = path
        self.origin = origin
