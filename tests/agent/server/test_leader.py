"""The leader's own duties."""

import asyncio

import pytest

from agent.rpc.endpoints.session import SessionApply
from agent.server import leader as duties
from agent.server.leader import Leader
from catalog.rows.check import PASSING, SERF_HEALTH
from catalog.rows.node import Node
from catalog.rows.session import Session
from catalog.rows.system import AutopilotConfiguration
from catalog.tables import AUTOPILOT, CHECKS, NODES, SERVICES, SESSIONS, TOMBSTONES
from raft.errors import Overloaded
from tests.agent.harness import House, until, within


async def test_the_server_registers_itself_alive(house: House):
    store = house.agent.server.store

    node = store.get(NODES, "node-a")
    service = store.get(SERVICES, ("node-a", "consul")).service
    check = store.get(CHECKS, ("node-a", SERF_HEALTH))
    assert (node.node, node.id, node.address) == ("node-a", house.agent.node_id, "127.0.0.1")
    assert (service.service, service.port) == ("consul", 8300)
    assert service.meta["version"] == "1.9.8"
    assert (check.status, check.output) == (PASSING, "Agent alive and reachable")
    assert store.get(AUTOPILOT, "") is not None


async def test_leading_again_changes_nothing(house: House):
    store = house.agent.server.store
    before = store.freeze()

    await within(house.agent.server.duties.again())

    assert store.freeze() == before


async def test_a_configured_autopilot_is_only_a_seed(house: House):
    other = AutopilotConfiguration(cleanup_dead_servers=False)
    await house.agent.server.leader.start(house.agent.node(), 8300, other)

    assert house.agent.server.store.get(AUTOPILOT, "").cleanup_dead_servers


async def test_what_the_agent_says_of_its_node_is_kept(house: House):
    node = Node(
        id=house.agent.node_id,
        node="node-a",
        address="127.0.0.1",
        datacenter="dc1",
        meta={"a": "b"},
    )
    store = house.agent.server.store
    store.put(NODES, node)
    store.commit()

    await within(house.agent.server.duties.again())

    assert store.get(NODES, "node-a").meta == {"a": "b"}


async def create(house: House, ttl: str) -> str:
    session = Session(id="", node="node-a", ttl=ttl, node_checks=(SERF_HEALTH,))
    return (await house.agent.router.call(SessionApply(session=session))).value


async def test_a_session_whose_time_is_up_ends(house: House):
    session_id = await create(house, "10s")
    assert house.agent.server.timers.active == 1

    house.agent.server.timers._expire(session_id)
    await until(lambda: house.agent.server.store.get(SESSIONS, session_id) is None)

    assert house.agent.server.timers.active == 0


async def test_an_end_that_the_log_refuses_is_tried_again(house: House, monkeypatch):
    session_id = await create(house, "10s")
    monkeypatch.setattr(duties, "RETRY_S", 0.001)
    real, refusals = house.agent.server.driver.submit, []

    def submit(command, done, term=0) -> None:
        if not refusals:
            refusals.append(1)
            raise Overloaded("full")
        real(command, done, term)

    monkeypatch.setattr(house.agent.server.driver, "submit", submit)
    house.agent.server.timers._expire(session_id)

    await until(lambda: house.agent.server.store.get(SESSIONS, session_id) is None)
    assert refusals == [1]


async def test_a_restarted_leader_starts_the_clocks_of_all_sessions(house: House):
    await create(house, "10s")
    house.agent.server.timers.stop()
    await within(house.agent.server.duties.again())

    assert house.agent.server.timers.active == 1


@pytest.fixture
def leader(house: House) -> Leader:
    return house.agent.server.leader


async def test_tombstones_are_reaped_even_after_a_refusal(house: House, leader, monkeypatch):
    await house.ask("PUT", "/v1/kv/k", b"v")
    await house.ask("DELETE", "/v1/kv/k")
    assert house.agent.server.store.count(TOMBSTONES) == 1
    monkeypatch.setattr(duties, "TOMBSTONE_TTL_S", 0.001)
    monkeypatch.setattr(duties, "TOMBSTONE_GRANULARITY_S", 0.001)
    real, refusals = house.agent.server.driver.submit, []

    def submit(command, done, term=0) -> None:
        if not refusals:
            refusals.append(1)
            raise Overloaded("full")
        real(command, done, term)

    monkeypatch.setattr(house.agent.server.driver, "submit", submit)
    reaping = asyncio.create_task(
        leader.reap_tombstones(lambda: house.agent.server.driver.applied_index)
    )

    await until(lambda: house.agent.server.store.count(TOMBSTONES) == 0)
    reaping.cancel()
