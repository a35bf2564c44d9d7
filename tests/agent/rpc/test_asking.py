"""Asking on: what is repeated, for how long, and what the caller hears in the end."""

import asyncio

import pytest

from agent.clock import monotonic_s
from agent.rpc.asking import blocks, in_time, unanswered, until_answered
from agent.rpc.connection import ConnectionLost
from agent.rpc.endpoints.kv import KvGet
from agent.rpc.pool import Unreachable
from agent.rpc.request import NoLeader, Request, RpcError
from catalog.errors import Invalid
from tests.agent.local.fakes import Half
from tests.agent.rpc.cluster import blocking, put

READ = KvGet(key="a")
NOT_SENT, SENT = ConnectionLost("gone", sent=False), ConnectionLost("gone", sent=True)


class Attempts:
    """Fails with each error in turn, then answers with their number."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.count = 0

    async def __call__(self) -> int:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.count


async def asked(request: Request, attempts: Attempts, hold_s: float = 0.5) -> int:
    return await until_answered(request, attempts, hold_s=hold_s, rng=Half(), now_s=monotonic_s)


@pytest.mark.parametrize("error", [NoLeader(), Unreachable("no server"), NOT_SENT])
@pytest.mark.parametrize("request_", [READ, put("a")], ids=["read", "write"])
async def test_what_was_not_begun_is_asked_again(request_: Request, error: Exception):
    assert 3 == await asked(request_, Attempts(error, error))


async def test_a_read_whose_connection_broke_is_asked_again():
    assert 2 == await asked(READ, Attempts(SENT))


async def test_a_write_that_may_have_been_received_is_not_repeated():
    attempts = Attempts(SENT)

    with pytest.raises(RpcError, match="gone; the write's outcome is unknown"):
        await asked(put("a"), attempts)
    assert 1 == attempts.count


async def test_a_refusal_is_not_asked_again():
    attempts = Attempts(Invalid("no"))

    with pytest.raises(Invalid):
        await asked(READ, attempts)
    assert 1 == attempts.count


async def test_patience_ends_with_the_last_error():
    with pytest.raises(NoLeader):
        await asked(READ, Attempts(*[NoLeader()] * 100), hold_s=0.01)
    with pytest.raises(RpcError, match="rpc error making call: no server"):
        await asked(READ, Attempts(*[Unreachable("no server")] * 100), hold_s=0.01)


def test_only_a_read_with_an_index_blocks():
    assert [blocks(request) for request in (blocking("a", 1), READ, put("a"))] == [
        True,
        False,
        False,
    ]


def test_only_of_a_write_the_outcome_is_unknown():
    assert "late" == unanswered(READ, "late")
    assert "late; the write's outcome is unknown" == unanswered(put("a"), "late")


async def test_an_answer_in_time_is_given():
    assert 1 == await in_time(READ, Attempts()(), 5.0)
    assert 1 == await in_time(READ, Attempts()(), None)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (READ, "no answer in time$"),
        (put("a"), "no answer in time; the write's outcome is unknown$"),
    ],
    ids=["read", "write"],
)
async def test_who_waits_in_vain_is_told_so(request_: Request, text: str):
    never: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    with pytest.raises(RpcError, match=f"^rpc error making call: {text}"):
        await in_time(request_, never, 0.01)
