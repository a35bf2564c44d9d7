"""Something made of a frozen value, kept while the value is in use.

Values of a configuration are large, so they are known again by identity, never by content: a new
configuration has new ones. Made for what each request needs (an index of intentions, compiled
conditions); a function of its argument alone, so that keeping it changes nothing but the time.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Made = TypeVar("Made")

MADE_MAX: Final = 1024
"""Filter chains of one worker that are busy at a time; beyond it the oldest is made again."""


class Memo(Generic[Key, Made]):
    """``make``, remembered for the latest `MADE_MAX` arguments."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[Key], Made]) -> None:
        self._make = make
        self._made: dict[int, tuple[Key, Made]] = {}

    def __call__(self, key: Key) -> Made:
        """What was made of this very ``key``."""
        known = self._made.get(id(key))
        if known is not None:  # the key is kept beside, so that its id is given to nothing else
            return known[1]
        made = self._make(key)
        if len(self._made) >= MADE_MAX:
            del self._made[next(iter(self._made))]
        self._made[id(key)] = (key, made)
        return made
