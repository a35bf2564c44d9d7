"""A random choice of k of n, without walking through n when n is large."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from gossip.core.types import Rng

T = TypeVar("T")


def choose(rng: Rng, items: Sequence[T], count: int, fits: Callable[[T], bool]) -> list[T]:
    """Up to ``count`` different items that fit, at random.

    A small list is shuffled, so that every fitting item is found. In a large one up to 3n draws
    are made, as memberlist does; draws end early, so the cost is O(count) unless few items fit.
    """
    size = len(items)
    if size < 3 * count:
        shuffled = [item for item in items if fits(item)]
        rng.shuffle(shuffled)
        return shuffled[:count]
    chosen: dict[int, T] = {}
    for _ in range(3 * size):
        if len(chosen) == count:
            break
        index = rng.randrange(size)
        if index not in chosen and fits(items[index]):
            chosen[index] = items[index]
    return list(chosen.values())
