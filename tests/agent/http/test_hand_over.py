"""The first requests for aiohttp: all wait for one load, and others do not wait for it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.http import hand_over, slow_lane
from tests.agent.harness import House, Raw, open_house, request, until

FAST = request("GET", "/v1/kv/k?raw")
SLOW = request("GET", "/v1/kv/k?raw&cached")


class Loading:
    """A load of aiohttp that takes until the test lets it end."""

    def __init__(self) -> None:
        self.begun_count = 0
        self.error: Exception | None = None
        self.may_end = threading.Event()

    def __call__(self) -> Callable[..., Any]:
        self.begun_count += 1
        self.may_end.wait(5)
        if self.error is not None:
            raise self.error
        return slow_lane.make


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loading]:
    loading = Loading()
    monkeypatch.setattr(hand_over, "_import_slow_lane", loading)
    yield loading
    loading.may_end.set()


async def waiting(house: House, data: bytes) -> Raw:
    """A new connection whose request waits for the load."""
    count = waiting_count(house)
    raw = await house.connect()
    await raw.send(data)
    await until(lambda: waiting_count(house) == count + 1)
    return raw


def waiting_count(house: House) -> int:
    return sum(connection._loading for connection in house.shared.connections)


async def test_first_slow_requests_share_a_load_and_fast_ones_are_answered_meanwhile(
    house: House, loading: Loading
):
    await house.ask("PUT", "/v1/kv/k", b"value")

    raws = [await waiting(house, SLOW + FAST + SLOW) for _ in range(5)]
    assert (await house.ask("GET", "/v1/kv/k?raw")).body == b"value"
    assert not any(raw.reader._buffer for raw in raws)
    loading.may_end.set()

    for raw in raws:
        assert [b"value"] * 3 == [(await raw.answer()).body for _ in range(3)]
        assert (await raw.ask(FAST)).body == b"value"
    assert (await house.ask("GET", "/v1/kv/k?raw&cached")).body == b"value"
    assert 1 == loading.begun_count


async def test_what_comes_during_the_load_is_kept_in_order(house: House, loading: Loading):
    raw = await waiting(house, request("PUT", "/v1/kv/k?acquire=none", b"1"))
    for part in (FAST[:9], FAST[9:] + request("PUT", "/v1/kv/k", b"2") + FAST):
        await raw.send(part)
    loading.may_end.set()

    statuses = [(await raw.answer()).status for _ in range(4)]
    assert [500, 404, 200, 200] == statuses


async def test_a_body_that_comes_during_the_load_is_left_unread_beyond_a_limit(
    house: House, loading: Loading
):
    body = b"v" * 500_000
    put = request("PUT", "/v1/kv/k", body)
    raw = await waiting(house, put[:1000])
    sending = asyncio.create_task(raw.send(put[1000:] + FAST))
    (connection,) = house.shared.connections
    await until(lambda: connection._unread)
    assert len(connection._buffer) < 400_000
    loading.may_end.set()

    assert (await raw.answer()).status == 200
    assert (await raw.answer()).body == body
    await sending


async def test_a_client_that_leaves_during_the_load_is_forgotten(house: House, loading: Loading):
    raw = await waiting(house, SLOW)
    raw.close()
    await until(lambda: not house.shared.connections)
    loading.may_end.set()

    assert (await house.ask("GET", "/v1/status/peers")).status == 200


async def test_a_load_that_fails_is_told_and_tried_again(house: House, loading: Loading):
    loading.error = OSError("Too many open files")
    raw = await waiting(house, SLOW + FAST)
    loading.may_end.set()
    assert (await raw.rest()).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")

    loading.error = None
    assert (await house.ask("GET", "/v1/status/peers")).status == 200
    assert 2 == loading.begun_count


async def test_closing_waits_for_the_load(loading: Loading):
    async with open_house() as house:
        raw = await waiting(house, SLOW)
        closing = asyncio.create_task(house.agent.http.close())
        asyncio.get_running_loop().call_later(0.01, loading.may_end.set)
        await closing

        await raw.rest()
        assert house.shared.hand_over._loading is None
