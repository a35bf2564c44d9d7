"""Callers under whom something changes: of their calls none may fail."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.system.agent_process import wait_until
from tests.system.mesh_site import Answer, Tally, calling

CALLS_MIN = 25
"""Enough to meet every moment of a change."""


class Load:
    """Callers of one upstream, of whom some keep their connections and others do not."""

    def __init__(self, kept: Tally, new: Tally) -> None:
        self._tallies = (kept, new)

    def wait_more(self) -> None:
        """Return once each kind of caller has made some more calls."""
        for tally in self._tallies:
            wanted = tally.outcomes.total() + CALLS_MIN

            def is_enough(tally: Tally = tally, wanted: int = wanted) -> bool:
                return tally.outcomes.total() >= wanted

            wait_until(is_enough, what="more calls")

    def wait_served_by(self, name: str) -> None:
        """Return once both have met an instance."""
        for tally in self._tallies:

            def is_met(tally: Tally = tally) -> bool:
                return tally.served[name] > 0

            wait_until(is_met, timeout_s=30.0, what=f"{name} serves")


@contextmanager
def flawless(port: int) -> Iterator[Load]:
    """Call before, during and after the block; each answer must be 200."""
    with calling(port) as kept, calling(port, keep_alive=False) as new:
        load = Load(kept, new)
        load.wait_more()
        yield load
        load.wait_more()
    assert ([], []) == (kept.failures, new.failures)


def later(work: Callable[[], Answer]) -> Callable[[], Answer]:
    """Begin now; what is given waits for the answer."""
    found: list[Answer | Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except (OSError, http.client.HTTPException) as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def take() -> Answer:
        thread.join()
        (answer,) = found
        assert isinstance(answer, Answer), answer
        return answer

    return take
