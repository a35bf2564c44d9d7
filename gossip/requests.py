"""The caller's side of commands: who waits for which answer of the core.

A command carries a number; ``Completed`` or ``KeyringAnswer`` with that number ends it. A query
goes on: its answers queue up until ``QueryFinished``.
Limits: ``REQUESTS_MAX`` commands at once; the core bounds the answers to a query.
"""

import asyncio
from typing import Final, TypeAlias, assert_never

from gossip.core.effects import Completed, KeyringAnswer, QueryAnswer, QueryFinished
from gossip.errors import GossipError

REQUESTS_MAX: Final = 8192  # callers that wait at once; each ends within seconds

Outcome: TypeAlias = Completed | KeyringAnswer
Answer: TypeAlias = Outcome | QueryAnswer | QueryFinished


class Requests:
    """The requests under way."""

    def __init__(self) -> None:
        self._last = 0
        self._closed = ""
        self._outcomes: dict[int, asyncio.Future[Outcome]] = {}
        self._queries: dict[int, asyncio.Queue[QueryAnswer | QueryFinished]] = {}

    def open(self, *, is_query: bool = False) -> int:
        """A number for a new request. Raises GossipError when closed or over the limit."""
        if self._closed:
            raise GossipError(self._closed)
        if len(self._outcomes) + len(self._queries) >= REQUESTS_MAX:
            raise GossipError(f"more than {REQUESTS_MAX} gossip requests at once")
        self._last += 1
        self._outcomes[self._last] = asyncio.get_running_loop().create_future()
        if is_query:
            self._queries[self._last] = asyncio.Queue()
        return self._last

    def take(self, answer: Answer) -> None:
        """Hand an answer of the core to whoever waits for it; others are not missed."""
        match answer:
            case QueryAnswer() | QueryFinished():
                queue = self._queries.get(answer.request)
                if queue is not None:
                    queue.put_nowait(answer)
            case Completed() | KeyringAnswer():
                future = self._outcomes.get(answer.request)
                if future is not None and not future.done():
                    future.set_result(answer)
            case _:
                assert_never(answer)

    async def outcome(self, request: int) -> Outcome:
        """Wait for the end of a request. Raises GossipError with the core's reason."""
        try:
            outcome = await self._outcomes[request]
        finally:
            del self._outcomes[request]
        if isinstance(outcome, Completed) and outcome.error:
            raise GossipError(outcome.error)
        return outcome

    async def next_answer(self, request: int) -> QueryAnswer | None:
        """The next answer to a query; None when its time is over."""
        answer = await self._queries[request].get()
        return answer if isinstance(answer, QueryAnswer) else None

    def forget(self, request: int) -> None:
        """Nobody reads the answers of this query any more."""
        self._queries.pop(request, None)

    def close(self, reason: str) -> None:
        """Fail everything under way and everything to come with ``reason``, the first given."""
        self._closed = self._closed or reason
        for future in self._outcomes.values():
            if not future.done():
                future.set_exception(GossipError(reason))
        for request, queue in self._queries.items():
            queue.put_nowait(QueryFinished(request, 0, 0))
