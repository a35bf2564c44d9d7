"""One pool on its own: before, while and after it runs, and what goes wrong."""

import socket
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from agent.membership.pool import Pool
from agent.membership.settings import lan_settings
from agent.tasks import Tasks
from catalog.errors import CatalogError
from catalog.rows.node import Coord
from gossip.core.types import Address, Status, UserEvent
from tests.agent.membership.agents import Random, make_config, until

Pools = AsyncIterator[Pool]


def make_pool(tasks: Tasks, heard: list[UserEvent] | None = None, **changes) -> Pool:
    made_from = lan_settings(make_config(**changes), "id-a", None, wan_join_port=0)
    hasty = replace(made_from.config, leave_propagate_s=0.01)
    return Pool(
        replace(made_from, config=hasty),
        wide=False,
        tasks=tasks,
        rng=Random(1),
        on_members=lambda _change, _members: None,
        on_event=None if heard is None else heard.append,
    )


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    await tasks.close()


@pytest.fixture
async def pool(tasks: Tasks) -> Pools:
    pool = make_pool(tasks)
    yield pool
    await pool.shutdown()


async def test_before_the_start_all_can_be_looked_at(pool):
    assert [("node-a", Status.ALIVE)] == [(m.name, m.status) for m in pool.members()]
    assert {"node-a": Coord()} == pool.coordinates()
    assert not pool.is_encrypted
    assert {
        "members": "1", "failed": "0", "left": "0", "health_score": "0",
        "member_time": "0", "encrypted": "false",
    } == pool.stats()  # fmt: skip


async def test_before_the_start_nobody_is_joined(pool):
    with pytest.raises(CatalogError, match=r"Failed to join 127\.0\.0\.1:8301: the gossip"):
        await pool.join(("127.0.0.1:8301",))


async def test_the_port_is_the_one_that_was_bound(pool):
    assert 0 == pool.address.port
    await pool.start()

    assert 0 < pool.address.port == pool.member().address.port


async def test_numbers_of_a_running_pool_tell_its_queues(pool):
    await pool.start()

    names = {"event_queue", "intent_queue", "query_queue", "coordinate_resets"}
    assert names <= pool.stats().keys()
    assert all(value.isdecimal() for name, value in pool.stats().items() if name != "encrypted")


async def test_after_the_end_the_last_members_are_kept(pool):
    await pool.start()
    await pool.shutdown()
    await pool.shutdown()

    assert ["node-a"] == [member.name for member in pool.members()]


async def test_leaving_twice_is_leaving_once(pool):
    await pool.leave()
    await pool.start()
    await pool.leave()
    await pool.leave()

    assert Status.LEFT is pool.member().status
    for refused in (pool.join(("127.0.0.1",)), pool.force_leave("x", prune=False)):
        with pytest.raises(CatalogError, match="leaving or has left"):
            await refused


async def test_an_address_in_use_is_an_os_error(tasks):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = make_config().serf_lan_addr._replace(port=taken.getsockname()[1])
        pool = make_pool(tasks, serf_lan_addr=place)
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            await pool.start()


async def test_tags_that_fit_no_packet_are_refused(tasks):
    pool = make_pool(tasks, datacenter="d" * 600)
    with pytest.raises(CatalogError, match="gossip \\(lan\\) cannot start: "):
        await pool.start()


async def test_events_are_passed_on(tasks):
    heard: list[UserEvent] = []
    pool = make_pool(tasks, heard)
    try:
        await pool.start()
        await pool.gossip.user_event("any", b"payload")
        await until(lambda: heard)
    finally:
        await pool.shutdown()

    assert [("any", b"payload")] == [(event.name, event.payload) for event in heard]


async def test_what_an_operator_should_know_is_no_fault(pool):
    ear = pool.gossip._listener

    ear.conflict_seen("node-a", Address(bytes(4), 1), Address(bytes(4), 2))
    ear.stopped("outvoted")
    ear.event_received(UserEvent(1, "x", b"", coalesce=False))
