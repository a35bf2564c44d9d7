"""The one blocking read: run, and while the index has not moved, wait and run again.

Source: Consul API, blocking queries. The wait is ``wait`` (else the default), capped, and then
lengthened by up to a sixteenth at random, so that many readers do not come back at once.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from catalog.read import Read
from catalog.store import Store

JITTER_FRACTION = 16
WATCHED_KEYS_MAX = 8192  # more than this is cheaper to watch through the tables' indexes

Query = Callable[[Read], Any]


class Jitter(Protocol):
    """The part of a random generator that is used here."""

    def random(self) -> float:
        """A number in [0, 1)."""


class Limits(Protocol):
    """The settings that bound a wait, in nanoseconds."""

    @property
    def default_query_time(self) -> int:
        """The wait of a reader that asks for none."""

    @property
    def max_query_time(self) -> int:
        """The longest wait."""


def wait_s(wait_ns: int, limits: Limits, rng: Jitter) -> float:
    """Seconds that a read may block: asked or default, capped, plus the jitter."""
    span_ns = wait_ns if wait_ns > 0 else limits.default_query_time
    span_ns = min(span_ns, limits.max_query_time)
    return (span_ns + rng.random() * span_ns / JITTER_FRACTION) / 1e9


async def run(store: Store, query: Query, min_index: int, timeout_s: float) -> tuple[Any, Read]:
    """The query's value and its read, once its index is beyond ``min_index`` or time is up.

    A restore of the state answers every waiting reader at once, whatever the index: an index of
    the discarded history means nothing any more.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    generation = store.generation
    while True:
        read = Read(store)
        value = query(read)
        if read.index > min_index or generation != store.generation:
            return value, read
        if read.index < min_index <= store.abandoned_index:
            return value, read  # the reader knows a history that is gone
        # No await between the read and the wait: a change in between would be missed.
        if not await _change(store, read.watched, deadline_s - loop.time()):
            return value, read


async def _change(store: Store, keys: list[Hashable], timeout_s: float) -> bool:
    """Wait for a change of any key; False when the time is up."""
    if timeout_s <= 0:
        return False
    changed = asyncio.get_running_loop().create_future()

    def wake_up() -> None:
        if not changed.done():
            changed.set_result(None)

    assert len(keys) <= WATCHED_KEYS_MAX
    store.watches.add(keys, wake_up)
    try:
        async with asyncio.timeout(timeout_s):
            await changed
    except TimeoutError:
        return False
    else:
        return True
    finally:
        store.watches.remove(keys, wake_up)
