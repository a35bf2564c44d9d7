"""The blocking read: when it answers, how long it waits, what it leaves behind."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rpc import blocking
from catalog.queries import kv
from catalog.rows.kv import KeyValue
from catalog.store import Store
from catalog.tables import KV
from tests.agent.harness import until, within

LIMITS = SimpleNamespace(default_query_time=300_000_000_000, max_query_time=600_000_000_000)


class Fixed:
    """A generator that always gives the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


@pytest.fixture
def store() -> Store:
    store = Store()
    put(store, "k", 5)
    return store


def put(store: Store, key: str, index: int) -> None:
    store.put(KV, KeyValue(key=key, value=b"", create_index=index, modify_index=index))
    store.set_index("kvs", index)
    store.commit()


def read_key(key: str = "k"):
    return lambda read: kv.get(read, key)


async def run(store: Store, min_index: int, timeout_s: float = 60.0, key: str = "k"):
    value, read = await blocking.run(store, read_key(key), min_index, timeout_s)
    return value, read.index


@given(st.integers(-(2**40), 2**60), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_capped_and_lengthened_by_at_most_a_sixteenth(wait_ns, chance):
    asked_ns = min(wait_ns if wait_ns > 0 else 300_000_000_000, 600_000_000_000)

    waited_s = blocking.wait_s(wait_ns, LIMITS, Fixed(chance))

    assert asked_ns / 1e9 <= waited_s <= asked_ns / 1e9 * (1 + 1 / 16) + 1e-9


def test_zero_and_negative_waits_are_the_default():
    assert [blocking.wait_s(wait_ns, LIMITS, Fixed(0)) for wait_ns in (0, -1)] == [300, 300]
    assert blocking.wait_s(10**18, LIMITS, Fixed(0)) == 600


async def test_an_older_index_is_answered_at_once(store):
    value, index = await within(run(store, 4))

    assert (value.key, index) == ("k", 5)


async def test_the_present_index_waits_for_the_change(store):
    reading = asyncio.create_task(run(store, 5))
    await until(lambda: len(store.watches))
    assert not reading.done()

    put(store, "k", 6)

    assert (await within(reading))[1] == 6
    assert len(store.watches) == 0


async def test_a_change_of_another_key_goes_on_waiting(store):
    reading = asyncio.create_task(run(store, 5))
    await until(lambda: len(store.watches))
    put(store, "other", 6)
    await asyncio.sleep(0)
    assert not reading.done()

    put(store, "k", 7)
    assert (await within(reading))[1] == 7


async def test_the_time_being_up_gives_the_same_index(store):
    assert (await within(run(store, 5, 0.01)))[1] == 5
    assert len(store.watches) == 0


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
async def test_no_time_gives_the_answer_of_now(store, timeout_s):
    assert (await within(run(store, 5, timeout_s)))[1] == 5


async def test_an_index_of_the_future_waits(store):
    assert (await within(run(store, 900, 0.01)))[1] == 5


async def test_a_cancelled_reader_leaves_no_watch(store):
    reading = asyncio.create_task(run(store, 5))
    await until(lambda: len(store.watches))
    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert len(store.watches) == 0


async def test_a_restore_answers_every_waiting_reader(store):
    readings = [asyncio.create_task(run(store, 5, key=key)) for key in ("k", "none")]
    await until(lambda: len(store.watches) >= 2)

    store.load({"kvs": 2}, [(KV, KeyValue(key="k", value=b"", create_index=2, modify_index=2))])

    assert [index for _, index in await within(asyncio.gather(*readings))] == [2, 2]
    assert len(store.watches) == 0


async def test_after_a_restore_an_index_of_the_lost_history_is_answered_at_once(store):
    store.load({"kvs": 2}, [(KV, KeyValue(key="k", value=b"", create_index=2, modify_index=2))])

    assert (await within(run(store, 5)))[1] == 2


async def test_after_a_restore_the_present_index_waits_again(store):
    store.load({"kvs": 2}, [(KV, KeyValue(key="k", value=b"", create_index=2, modify_index=2))])
    reading = asyncio.create_task(run(store, 2))
    await until(lambda: len(store.watches))

    put(store, "k", 6)

    assert (await within(reading))[1] == 6


async def test_a_failing_query_leaves_no_watch(store):
    def fail(_read):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await blocking.run(store, fail, 5, 1.0)
    assert len(store.watches) == 0


async def test_many_readers_of_one_key_wake_together(store):
    readings = [asyncio.create_task(run(store, 5)) for _ in range(100)]
    await until(lambda: len(store.watches))
    await asyncio.sleep(0)
    put(store, "k", 6)

    assert {index for _, index in await within(asyncio.gather(*readings))} == {6}
