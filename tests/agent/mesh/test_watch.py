"""Questions that are followed for proxies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agent.mesh.watch import PATIENCE_S, Watch
from agent.mesh.watch_questions import Instances, Leaf, Question, Roots
from agent.rpc.request import Reply, RpcError
from agent.tasks import Tasks

ROOTS, WEB, DB = Roots(), Instances("web", "dc1"), Instances("db", "dc1")


class FakeSources:
    """Answers as the test sets them; a question without one blocks."""

    def __init__(self) -> None:
        self.asked: list[Question[Any]] = []
        self._news: dict[Question[Any], asyncio.Queue[Reply | Exception]] = {}

    def say(self, question: Question[Any], value: object, index: int = 1) -> None:
        self._queue(question).put_nowait(Reply(value=value, index=index))

    def fail(self, question: Question[Any]) -> None:
        self._queue(question).put_nowait(RpcError("down"))

    async def ask(self, question: Question[Any], _token: str, index: int) -> Reply:
        if not index:
            self.asked.append(question)
        news = await self._queue(question).get()
        if isinstance(news, Exception):
            raise news
        return news

    def _queue(self, question: Question[Any]) -> "asyncio.Queue[Reply | Exception]":
        return self._news.setdefault(question, asyncio.Queue())


class NoJitter:
    def random(self) -> float:
        return 0.0


class Bench:
    """A watch with its sources, and who was told to be built again."""

    def __init__(self, tasks: Tasks) -> None:
        self.sources = FakeSources()
        self.told: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        self.now_s = 100.0
        self.watch = Watch(
            self.sources,
            start_task=tasks.start,
            rng=NoJitter(),
            now_s=lambda: self.now_s,
            changed=self.told.put_nowait,
        )

    async def next_told(self) -> frozenset[str]:
        async with asyncio.timeout(5):
            return await self.told.get()


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    tasks = Tasks()
    try:
        yield Bench(tasks)
    finally:
        await tasks.close()


async def test_an_answer_reaches_everybody_who_asked() -> None:
    async with bench() as at:
        at.watch.keep("a", "", {ROOTS, WEB})
        at.watch.keep("b", "", {ROOTS})

        at.sources.say(ROOTS, "roots")

        assert frozenset({"a", "b"}) == await at.next_told()
        assert "roots" == at.watch.answers("").ask(ROOTS)


async def test_a_question_is_followed_once_however_many_ask_it() -> None:
    async with bench() as at:
        for owner in ("a", "b", "c"):
            at.watch.keep(owner, "", {ROOTS})
        at.sources.say(ROOTS, "roots")
        await at.next_told()

        assert [ROOTS] == at.sources.asked
        assert 1 == len(at.watch)


async def test_tokens_do_not_share_answers() -> None:
    async with bench() as at:
        at.watch.keep("a", "secret", {Leaf("web")})
        at.sources.say(Leaf("web"), "leaf")
        await at.next_told()

        assert "leaf" == at.watch.answers("secret").ask(Leaf("web"))
        assert at.watch.answers("").ask(Leaf("web")) is None


async def test_the_same_answer_again_is_no_news() -> None:
    async with bench() as at:
        at.watch.keep("a", "", {WEB})
        at.sources.say(WEB, ("one",), index=5)
        await at.next_told()

        at.sources.say(WEB, ("one",), index=9)
        at.sources.say(WEB, ("two",), index=10)

        await at.next_told()
        assert ("two",) == at.watch.answers("").ask(WEB)
        assert 10 == at.watch.index("a")
        assert at.told.empty()


async def test_what_is_asked_no_more_is_followed_no_more() -> None:
    async with bench() as at:
        at.watch.keep("a", "", {WEB, DB})
        at.watch.keep("a", "", {WEB})
        assert 1 == len(at.watch)

        at.watch.drop("a")

        assert 0 == len(at.watch)


async def test_answers_stay_while_servers_are_out_of_reach() -> None:
    async with bench() as at:
        at.watch.keep("a", "", {WEB})
        at.sources.say(WEB, ("one",))
        await at.next_told()

        at.sources.fail(WEB)

        await at.next_told()
        assert ("one",) == at.watch.answers("").ask(WEB)


async def test_a_first_answer_is_waited_for_only_so_long() -> None:
    async with bench() as at:
        at.watch.keep("a", "", {WEB})
        assert PATIENCE_S == at.watch.wait_s("a")

        at.now_s += PATIENCE_S + 1

        assert 0.0 == at.watch.wait_s("a")


async def test_a_question_that_fails_is_not_waited_for() -> None:
    async with bench() as at:
        at.watch.keep("a", "", {WEB})

        at.sources.fail(WEB)

        await at.next_told()
        assert 0.0 == at.watch.wait_s("a")


async def test_nobody_is_followed_after_the_end() -> None:
    async with bench() as at:
        at.watch.keep("a", "", {WEB, DB})

        at.watch.close()

        assert 0 == len(at.watch)
