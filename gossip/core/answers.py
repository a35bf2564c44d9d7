"""The answers to our own queries: matched by (time, id), one ack and one response a sender."""

from collections.abc import Callable
from typing import Final

import msgspec

from gossip.core.schedule import Timer, TimerKind
from gossip.core.surroundings import Surroundings
from gossip.core.types import Query, QueryFlag, QueryResponse

QUERIES_MAX: Final = 1024  # our queries under way; each lives for its timeout
SENDERS_MIN: Final = 16  # senders taken for a query even when the pool looks smaller

Answered = Callable[[str, bytes | None], None]
Finished = Callable[[int, int], None]


class _Pending(msgspec.Struct):
    """A query of ours under way."""

    answered: Answered
    finished: Finished
    senders_max: int
    acks: set[str]
    responses: set[str]


class Answers:
    """Collects what comes back. Late, unknown and repeated answers are dropped."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._pending: dict[tuple[int, int], _Pending] = {}

    def expect(
        self, query: Query, member_count: int, answered: Answered, finished: Finished
    ) -> bool:
        """Wait for answers until the query's timeout; False when too many are waited for."""
        if len(self._pending) >= QUERIES_MAX:
            return False
        key = (query.time, query.id)
        senders_max = max(SENDERS_MIN, 2 * member_count)
        self._pending[key] = _Pending(answered, finished, senders_max, set(), set())
        deadline = self._around.now + query.timeout_ns / 1e9
        self._around.schedule.set(Timer(TimerKind.QUERY_END, key), deadline)
        return True

    def take(self, response: QueryResponse) -> None:
        """Take an ack or a response."""
        pending = self._pending.get((response.time, response.id))
        if pending is None:
            self._around.warn("late or unknown query response", node=response.sender)
            return
        is_ack = bool(response.flags & QueryFlag.ACK)
        senders = pending.acks if is_ack else pending.responses
        if response.sender in senders or len(senders) >= pending.senders_max:
            return
        senders.add(response.sender)
        pending.answered(response.sender, None if is_ack else response.payload)

    def end(self, key: tuple[int, int]) -> None:
        """The query is over: by time, or because everybody answered."""
        pending = self._pending.pop(key, None)
        if pending is not None:
            self._around.schedule.cancel(Timer(TimerKind.QUERY_END, key))
            pending.finished(len(pending.acks), len(pending.responses))
