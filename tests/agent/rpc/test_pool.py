"""Which server is asked, without sockets."""

import asyncio
from random import Random

import pytest
from structlog.testing import capture_logs

from agent.rpc.connection import CallingEnd, ConnectionLost
from agent.rpc.pool import (
    REBALANCE_INTERVAL_S_MIN,
    REBALANCE_JITTER_S,
    NoServers,
    Pool,
    ServerAddress,
    Unreachable,
    rebalance_interval_s,
)
from agent.tasks import Tasks
from tests.agent.harness import within
from tests.agent.local.fakes import Half
from tests.agent.rpc.cluster import KnownServers, address, hello
from tests.agent.rpc.memory import eavesdrop

A, B, C = (address(f"server-{letter}", 8300) for letter in "abc")


class Network:
    """Dials: every server answers but those that are down."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.dialled: list[str] = []

    async def __call__(self, server: ServerAddress) -> CallingEnd:
        self.dialled.append(server.id)
        if server.id in self.down:
            raise OSError("refused")
        end = CallingEnd(hello(), 5.0)
        eavesdrop(end)
        end._greet(hello(server.name))
        return end


class Setting:
    """A pool and what it stands on."""

    def __init__(self, tasks: Tasks) -> None:
        self.network = Network()
        self.known = KnownServers()
        self.pool = Pool(self.known, self.network, tasks.start, Random(3))

    def start(self, *servers: ServerAddress) -> None:
        self.known.set(*servers)
        self.pool.start()


@pytest.fixture
async def setting():
    tasks = Tasks()
    opened = Setting(tasks)
    yield opened
    opened.pool.close()
    await tasks.close()


async def test_without_servers_there_is_no_connection(setting: Setting):
    setting.start()

    with pytest.raises(NoServers):
        await within(setting.pool.connection())


async def test_a_server_is_kept_while_its_connection_works(setting: Setting):
    setting.start(A, B, C)

    first = await within(setting.pool.connection())

    assert first is await within(setting.pool.connection())
    assert len(setting.network.dialled) == 1


async def test_the_next_server_is_asked_when_one_cannot_be_reached(setting: Setting):
    setting.start(A, B)
    setting.network.down = {A.id}

    await within(setting.pool.connection())

    assert setting.pool.asked == B


async def test_when_none_can_be_reached_the_last_failure_is_told(setting: Setting):
    setting.start(A)
    setting.network.down = {A.id}

    with pytest.raises(Unreachable, match=r"failed to get conn: 127.0.0.1:8300: refused"):
        await within(setting.pool.connection())


async def test_the_log_tells_once_that_a_server_is_gone_and_once_that_it_is_back(setting: Setting):
    setting.start(A)
    setting.network.down = {A.id}
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(Unreachable):
                await within(setting.pool.connection())
        setting.network.down = set()
        await within(setting.pool.connection())

    told = [(line["log_level"], line["event"]) for line in lines if line["log_level"] != "debug"]
    assert told == [("warning", "server not reached"), ("info", "server chosen")]


async def test_a_server_that_failed_is_left_at_once_and_tried_last(setting: Setting):
    setting.start(A, B, C)
    first = await within(setting.pool.connection())
    left = setting.pool.asked

    setting.pool.failed(first)
    second = await within(setting.pool.connection())
    setting.pool.failed(second)
    await within(setting.pool.connection())

    assert left not in {setting.pool.asked, None}
    assert len(set(setting.network.dialled)) == 3
    assert not first.usable


async def test_a_failure_of_a_connection_that_was_left_changes_nothing(setting: Setting):
    setting.start(A, B)
    first = await within(setting.pool.connection())
    setting.pool.failed(first)
    second = await within(setting.pool.connection())

    setting.pool.failed(first)

    assert second is await within(setting.pool.connection())


async def test_an_unhealthy_server_is_asked_last(setting: Setting):
    setting.start(A, B)
    setting.known.mark(A.id, healthy=False)

    await within(setting.pool.connection())

    assert setting.pool.asked == B


async def test_a_server_that_becomes_unhealthy_is_left(setting: Setting):
    setting.start(A, B)
    first = await within(setting.pool.connection())
    asked = setting.pool.asked
    assert asked is not None

    setting.known.mark(asked.id, healthy=False)

    assert first is not await within(setting.pool.connection())
    assert setting.pool.asked not in {asked, None}


async def test_a_server_that_is_gone_is_left(setting: Setting):
    setting.start(A)
    await within(setting.pool.connection())

    setting.known.set(B)
    await within(setting.pool.connection())

    assert setting.pool.asked == B


async def test_news_of_other_servers_do_not_move_the_load(setting: Setting):
    setting.start(A)
    first = await within(setting.pool.connection())

    setting.known.set(A, B, C)

    assert first is await within(setting.pool.connection())


async def test_a_lost_connection_is_made_again(setting: Setting):
    setting.start(A)
    first = await within(setting.pool.connection())

    first.close("test")

    assert setting.pool.asked is None
    assert first is not await within(setting.pool.connection())


async def test_rebalancing_spreads_over_the_servers(setting: Setting):
    setting.start(A, B, C)
    await within(setting.pool.connection())
    seen = set()

    for _ in range(20):
        await within(setting.pool.rebalance())
        assert setting.pool.asked is not None
        seen.add(setting.pool.asked.id)

    assert seen == {A.id, B.id, C.id}


async def test_rebalancing_keeps_the_server_when_the_drawn_one_is_down(setting: Setting):
    setting.start(A, B)
    await within(setting.pool.connection())
    asked = setting.pool.asked
    assert asked is not None
    setting.network.down = {A.id, B.id} - {asked.id}

    for _ in range(10):
        await within(setting.pool.rebalance())

    assert setting.pool.asked == asked


async def test_rebalancing_one_server_does_nothing(setting: Setting):
    setting.start(A)
    first = await within(setting.pool.connection())

    await within(setting.pool.rebalance())

    assert first is await within(setting.pool.connection())


async def test_a_dial_goes_on_for_others_when_one_caller_gives_up(setting: Setting):
    setting.start(A)
    impatient = asyncio.create_task(setting.pool.connection())
    patient = asyncio.create_task(setting.pool.connection())
    await asyncio.sleep(0)

    impatient.cancel()

    assert (await within(patient)).usable
    assert setting.network.dialled == [A.id]


async def test_a_closed_pool_ends_its_connection(setting: Setting):
    setting.start(A)
    connection = await within(setting.pool.connection())

    setting.pool.close()

    with pytest.raises(ConnectionLost, match="the agent is stopping"):
        await connection.call("KVS.Get", b"")


def test_agents_rebalance_every_two_to_three_minutes_and_less_often_in_large_clusters():
    usual_s = REBALANCE_INTERVAL_S_MIN + REBALANCE_JITTER_S / 2

    assert usual_s == rebalance_interval_s(3, 1000, Half())
    assert rebalance_interval_s(3, 192_000, Half()) == 1000.0
    assert usual_s == rebalance_interval_s(0, 1, Half())


async def test_who_waits_for_a_connection_hears_that_the_pool_was_closed(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
):
    dialled = asyncio.Event()

    async def dial(_server: ServerAddress) -> CallingEnd:
        dialled.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody answers")

    monkeypatch.setattr(setting.pool, "_dial", dial)
    setting.start(A)
    waiting = asyncio.create_task(setting.pool.connection())
    await within(dialled.wait())

    setting.pool.close()

    with pytest.raises(Unreachable, match="the pool was closed"):
        await within(waiting)


async def test_a_closed_pool_leaves_no_task(setting: Setting):
    setting.start(A)
    await within(setting.pool.connection())
    assert setting.pool._balancing is not None

    setting.pool.close()

    await asyncio.wait((setting.pool._balancing,))
    assert setting.pool._balancing.cancelled()
