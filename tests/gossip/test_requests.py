import asyncio

import pytest

from gossip.core.effects import Completed, QueryAnswer, QueryFinished
from gossip.errors import GossipError
from gossip.requests import REQUESTS_MAX, Requests


async def test_completed_ends_the_request_of_its_number() -> None:
    requests = Requests()
    first, second = requests.open(), requests.open()

    requests.take(Completed(second, count=2))
    requests.take(Completed(first, count=1))

    assert Completed(first, count=1) == await requests.outcome(first)
    assert Completed(second, count=2) == await requests.outcome(second)


async def test_refused_request_raises_the_reason() -> None:
    requests = Requests()
    request = requests.open()

    requests.take(Completed(request, "no"))

    with pytest.raises(GossipError, match="no"):
        await requests.outcome(request)


async def test_answers_come_in_order_until_the_query_is_over() -> None:
    requests = Requests()
    request = requests.open(is_query=True)
    answers = [QueryAnswer(request, "a", None), QueryAnswer(request, "b", b"x")]

    for answer in (*answers, QueryFinished(request, 1, 1), Completed(request)):
        requests.take(answer)

    await requests.outcome(request)
    assert answers == [await requests.next_answer(request), await requests.next_answer(request)]
    assert await requests.next_answer(request) is None


async def test_answer_that_nobody_waits_for_is_let_go() -> None:
    requests = Requests()

    requests.take(Completed(99))
    requests.take(QueryAnswer(99, "a", None))
    requests.take(QueryFinished(99, 0, 0))


async def test_given_up_request_is_forgotten() -> None:
    requests = Requests()
    request = requests.open(is_query=True)
    waiting = asyncio.ensure_future(requests.outcome(request))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait([waiting])
    requests.forget(request)

    requests.take(Completed(request))
    assert request + 1 == requests.open()


async def test_close_fails_what_waits_and_what_comes() -> None:
    requests = Requests()
    request, query = requests.open(), requests.open(is_query=True)
    requests.take(Completed(query))
    await requests.outcome(query)

    requests.close("over")

    with pytest.raises(GossipError, match="over"):
        await requests.outcome(request)
    assert await requests.next_answer(query) is None
    with pytest.raises(GossipError, match="over"):
        requests.open()


async def test_number_of_requests_is_limited() -> None:
    requests = Requests()
    for _ in range(REQUESTS_MAX):
        requests.open()

    with pytest.raises(GossipError, match=f"more than {REQUESTS_MAX}"):
        requests.open()
