"""Imports that wait for their first need, away from the event loop's thread.

A large library costs memory in agents that never use it, and half a second of a loop that imports
it. A function that imports within itself is run here on a thread of its own; the loop goes on
meanwhile, a few milliseconds at a time.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

# One thread: of many that need a library at once the first loads it, the others find it loaded.
_IMPORTER: Final = ThreadPoolExecutor(1, "import")


def import_late(load: Callable[[], T]) -> asyncio.Future[T]:
    """What ``load`` gives, which imports what it needs and touches nothing of the loop.

    The future raises ImportError or OSError if that cannot be had now: without a free file
    descriptor nothing is imported. The next need may try again.
    """
    return asyncio.get_running_loop().run_in_executor(_IMPORTER, load)
