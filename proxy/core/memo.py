"""Something made of a frozen value, kept while the value is in use.

Values of a configuration are large, so they are known again by identity, never by content: a new
configuration has new ones. Made for what each request needs (an index of intentions, compiled
conditions); a function of its argument alone, so that keeping it changes nothing but the time.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Made = TypeVar("Made")

PARTS_MAX: Final = 20_000
"""Intentions, permissions or routes in all that is kept, some 20 MB. Older configurations are in it
until newer ones push them out; what is pushed out while in use is made again."""


class Memo(Generic[Key, Made]):
    """``make``, remembered for the latest arguments, of which ``parts`` tells the size."""

    __slots__ = ("_made", "_make", "_parts", "_parts_kept")

    def __init__(
        self, make: Callable[[Key], Made], parts: Callable[[Key], int] = lambda _key: 1
    ) -> None:
        self._make = make
        self._parts = parts
        self._parts_kept = 0
        self._made: dict[int, tuple[Key, Made, int]] = {}

    def __call__(self, key: Key) -> Made:
        """What was made of this very ``key``."""
        known = self._made.get(id(key))
        if known is not None:  # the key is kept beside, so that its id is given to nothing else
            return known[1]
        made = self._make(key)
        parts = max(1, self._parts(key))
        self._made[id(key)] = (key, made, parts)
        self._parts_kept += parts
        while self._parts_kept > PARTS_MAX and len(self._made) > 1:
            self._parts_kept -= self._made.pop(next(iter(self._made)))[2]
        return made
