"""Follows questions for proxies: each question once, however many proxies ask it.

    proxy ──keep(questions)──► one follower a question ──► newest answer ──► changed(proxies)

A question that nobody asks any more is dropped with its follower. Answers stay when servers are out
of reach: what was true last is the best that is known.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, NamedTuple, Protocol

import structlog

from agent.mesh.watch_questions import Answers, Question
from agent.rpc.follow import Rng, retry_s
from agent.rpc.request import Reply

PATIENCE_S: Final = 2.0
"""How long a first answer is waited for: several round trips to any server that answers at all."""

RETRY_MAX_S: Final = 10.0
"""The longest pause after failures: servers that are back are noticed soon."""

_log = structlog.get_logger("agent.mesh")

Changed = Callable[[frozenset[str]], None]
"""Told which proxies should be built again."""


class Asks(Protocol):
    """Where answers come from."""

    async def ask(self, question: Question[Any], token: str, index: int) -> Reply:
        """Blocks until there is news since ``index``."""


class _Key(NamedTuple):
    """A question on somebody's behalf."""

    token: str
    question: Question[Any]


class _Followed:
    """One question: who asks it, and what is known."""

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.owners: set[str] = set()
        self.value: object | None = None
        self.index = 0
        self.answered = False
        self.failed = False
        self.task: asyncio.Task[None] | None = None


class Watch:
    """See the module."""

    def __init__(
        self,
        sources: Asks,
        *,
        start_task: Callable[[str, Coroutine[Any, Any, None]], asyncio.Task[None]],
        rng: Rng,
        now_s: Callable[[], float],
        changed: Changed,
    ) -> None:
        self._sources = sources
        self._start_task = start_task
        self._rng = rng
        self._now_s = now_s
        self._changed = changed
        self._followed: dict[_Key, _Followed] = {}
        self._of_owner: dict[str, frozenset[_Key]] = {}

    def __len__(self) -> int:
        """How many questions are followed."""
        return len(self._followed)

    def answers(self, token: str) -> Answers:
        """What is known now, on behalf of a token."""

        def known(question: Question[Any]) -> object | None:
            followed = self._followed.get(_Key(token, question))
            return followed.value if followed else None

        return Answers(known)

    def keep(self, owner: str, token: str, questions: Iterable[Question[Any]]) -> None:
        """Follow exactly these for ``owner`` from now on."""
        wanted = frozenset(_Key(token, question) for question in questions)
        before = self._of_owner.get(owner, frozenset())
        self._of_owner[owner] = wanted
        for key in before - wanted:
            self._release(key, owner)
        for key in wanted - before:
            self._follow(key, owner)

    def drop(self, owner: str) -> None:
        """Follow nothing for ``owner`` any more."""
        for key in self._of_owner.pop(owner, frozenset()):
            self._release(key, owner)

    def wait_s(self, owner: str) -> float:
        """How long first answers are still worth waiting for; 0 if all are there, or failed."""
        newest_s = max(
            (
                followed.since_s
                for key in self._of_owner.get(owner, ())
                if not ((followed := self._followed[key]).answered or followed.failed)
            ),
            default=None,
        )
        return 0.0 if newest_s is None else max(0.0, newest_s + PATIENCE_S - self._now_s())

    def index(self, owner: str) -> int:
        """The newest index of what an owner is told."""
        return max((self._followed[key].index for key in self._of_owner.get(owner, ())), default=0)

    def close(self) -> None:
        """End every follower."""
        for owner in tuple(self._of_owner):
            self.drop(owner)

    def _follow(self, key: _Key, owner: str) -> None:
        followed = self._followed.get(key)
        if followed is None:
            followed = self._followed[key] = _Followed(self._now_s())
            name = f"mesh {type(key.question).__name__.lower()}"
            followed.task = self._start_task(name, self._run(key, followed))
        followed.owners.add(owner)

    def _release(self, key: _Key, owner: str) -> None:
        followed = self._followed[key]
        followed.owners.discard(owner)
        if not followed.owners:
            del self._followed[key]
            if followed.task is not None:
                followed.task.cancel()

    async def _run(self, key: _Key, followed: _Followed) -> None:
        """Ask again and again. An index that goes back means another history: start over."""
        index = failures = 0
        while True:
            try:
                reply = await self._sources.ask(key.question, key.token, index)
            except Exception as error:  # noqa: BLE001 - whatever servers do, the follower survives
                failures += 1
                index = 0
                pause_s = min(RETRY_MAX_S, retry_s(failures, self._rng))
                self._fail(key, followed, error, pause_s)
                await asyncio.sleep(pause_s)
                continue
            failures = 0
            index = reply.index if reply.index >= index else 0
            self._learn(followed, reply)

    def _learn(self, followed: _Followed, reply: Reply) -> None:
        is_news = not followed.answered or followed.failed or followed.value != reply.value
        followed.failed = False
        followed.answered = True
        followed.index = reply.index
        if is_news:
            followed.value = reply.value
            self._changed(frozenset(followed.owners))

    def _fail(self, key: _Key, followed: _Followed, error: Exception, pause_s: float) -> None:
        _log.warning(
            "not known for now",
            what=str(key.question),
            error=str(error) or repr(error),
            retry_s=round(pause_s, 1),
        )
        if not followed.failed:
            followed.failed = True
            self._changed(frozenset(followed.owners))
