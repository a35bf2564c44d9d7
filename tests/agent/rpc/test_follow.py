"""Following a view: indexes, failures, pauses."""

import asyncio

from agent.rpc import follow as follow_module
from agent.rpc.follow import RETRY_MAX_S, follow, retry_s
from agent.rpc.request import Reply
from catalog.errors import CatalogError
from tests.agent.local.fakes import Half


async def test_each_read_waits_beyond_the_last_answer():
    asked: list[int] = []

    async def ask(index: int) -> Reply:
        asked.append(index)
        return Reply(value=len(asked), index=7 * len(asked))

    answers = follow("x", ask, Half())

    assert [(await anext(answers)).value for _ in range(3)] == [1, 2, 3]
    assert asked == [0, 7, 14]


async def test_an_index_that_goes_back_starts_over():
    asked: list[int] = []
    indexes = iter([9, 5, 6])

    async def ask(index: int) -> Reply:
        asked.append(index)
        return Reply(value=None, index=next(indexes))

    answers = follow("x", ask, Half())
    for _ in range(3):
        await anext(answers)

    assert asked == [0, 9, 0]


async def test_a_failure_is_waited_out_and_starts_over(monkeypatch):
    monkeypatch.setattr(follow_module, "RETRY_FIRST_S", 0.0)
    asked: list[int] = []

    async def ask(index: int) -> Reply:
        asked.append(index)
        if len(asked) == 2:
            raise CatalogError("no")
        return Reply(value=None, index=4)

    answers = follow("x", ask, Half())
    async with asyncio.timeout(5):
        await anext(answers)
        await anext(answers)

    assert asked == [0, 4, 0]


def test_pauses_double_up_to_a_bound_and_are_spread():
    assert [retry_s(failures, Half()) for failures in (1, 2, 3)] == [0.75, 1.5, 3.0]
    assert retry_s(1000, Half()) == RETRY_MAX_S * 0.75
