"""A view of the cluster followed over time: each new answer of one blocking read.

Source: Consul API, blocking queries: an index that goes back means another history, so the read
starts over.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, Protocol

import structlog

from agent.rpc.request import Reply

RETRY_FIRST_S: Final = 1.0  # an election takes a second or two
RETRY_MAX_S: Final = 180.0  # Consul's longest pause of a watch

_log = structlog.get_logger("agent.rpc")


class Rng(Protocol):
    """The one call of random.Random that is used."""

    def random(self) -> float:
        """A number in [0, 1)."""


Ask = Callable[[int], Awaitable[Reply]]
"""A read that blocks until its index is beyond the given one; 0 answers at once."""


async def follow(what: str, ask: Ask, rng: Rng) -> AsyncGenerator[Reply]:
    """Every answer of ``ask``, for ever; also one after a wait that ended without a change.

    Failures are logged under ``what`` and waited out, longer each time.
    """
    index = failures = 0
    while True:
        try:
            reply = await ask(index)
        except Exception as error:  # noqa: BLE001 - whatever the servers do, the follower survives
            failures += 1
            index = 0
            pause_s = retry_s(failures, rng)
            _log.warning(
                "read failed", what=what, error=str(error) or repr(error), retry_s=round(pause_s, 1)
            )
            await asyncio.sleep(pause_s)
            continue
        failures = 0
        index = reply.index if reply.index >= index else 0
        yield reply


def retry_s(failures: int, rng: Rng) -> float:
    """The pause after so many failures in a row: doubling, and up to half of it shorter."""
    doublings = min(failures - 1, 10)  # far beyond the longest pause
    longest_s = min(RETRY_MAX_S, RETRY_FIRST_S * (1 << doublings))
    return longest_s * (0.5 + rng.random() / 2)
