"""Anti-entropy against a catalog that others tamper with. Behaviour observed on Consul 1.9.8."""

import asyncio

import msgspec
import pytest

from agent.local.sync import LocalSync, SyncTiming, scale_factor
from agent.tasks import Tasks
from catalog.errors import Invalid, NotFound
from catalog.rows.check import SERF_HEALTH, HealthCheck
from catalog.rows.service import NodeService
from tests.agent.local.fakes import NODE, FakeCatalog, Local, make_local

FAST = SyncTiming(interval_s=60, retry_s=0.001, catalog_change_delay_s=0.001)


def make_sync(local: Local, catalog: FakeCatalog, *, timing: SyncTiming = FAST) -> LocalSync:
    return LocalSync(
        state=local.state,
        catalog=catalog,
        node=lambda: NODE,
        now_s=asyncio.get_running_loop().time,
        timing=timing,
    )


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the fake catalog has no events
            await asyncio.sleep(0.001)


async def test_a_service_and_its_checks_go_in_one_write():
    local, catalog = make_local(), FakeCatalog()
    local.register('{"Name":"a","Checks":[{"TTL":"1s"},{"TTL":"2s"}]}')
    local.register_check('{"Name":"node","TTL":"1s"}')

    await make_sync(local, catalog).sync_full()

    assert catalog.writes == ["register a +2", "register  +1"]
    assert catalog.node == NODE
    assert local.state.pending.is_empty


async def test_checks_under_another_token_go_by_themselves():
    local, catalog = make_local(), FakeCatalog()
    local.register('{"Name":"a"}', token="t1")
    local.register_check('{"Name":"c","TTL":"1s","ServiceID":"a"}')

    await make_sync(local, catalog).sync_full()

    assert catalog.writes == ["register a", "register a +1"]


async def test_a_check_leaves_tags_alone_that_others_may_set():
    local, catalog = make_local(), FakeCatalog()
    local.register('{"Name":"a","Tags":["mine"],"EnableTagOverride":true,"Check":{"TTL":"1s"}}')
    sync = make_sync(local, catalog)
    await sync.sync_full()
    catalog.services["a"] = msgspec.structs.replace(catalog.services["a"], tags=("theirs",))

    local.agent.update_check("service:a", "passing", "")
    await sync.sync_changes()

    assert catalog.services["a"].tags == ("theirs",)
    assert catalog.checks["service:a"].status == "passing"


async def test_a_node_alone_is_written():
    local, catalog = make_local(), FakeCatalog()

    await make_sync(local, catalog).sync_full()

    assert catalog.writes == ["register "]
    assert catalog.node == NODE


async def test_foreign_rows_are_removed_but_not_those_of_the_servers():
    local, catalog = make_local(), FakeCatalog()
    catalog.node = NODE
    catalog.services["consul"] = NodeService(id="consul", service="consul")
    catalog.services["ghost"] = NodeService(id="ghost", service="ghost")
    catalog.checks["g1"] = HealthCheck(node="n1", check_id="g1", service_id="ghost")
    catalog.checks["g2"] = HealthCheck(node="n1", check_id="g2")

    await make_sync(local, catalog).sync_full()

    assert (set(catalog.services), set(catalog.checks)) == ({"consul"}, {SERF_HEALTH})
    assert catalog.writes == ["deregister ghost", "deregister g2"]


async def test_tags_that_others_may_set_are_adopted():
    local, catalog = make_local(), FakeCatalog()
    local.register('{"Name":"a","Tags":["mine"],"EnableTagOverride":true}')
    sync = make_sync(local, catalog)
    await sync.sync_full()
    catalog.services["a"] = msgspec.structs.replace(catalog.services["a"], tags=("theirs",))

    await sync.sync_full()

    assert local.state.services["a"].service.tags == ("theirs",)
    assert catalog.services["a"].tags == ("theirs",)
    assert catalog.writes == ["register a"]


async def test_other_tags_are_put_back():
    local, catalog = make_local(), FakeCatalog()
    local.register('{"Name":"a","Tags":["mine"]}')
    sync = make_sync(local, catalog)
    await sync.sync_full()
    catalog.services["a"] = msgspec.structs.replace(catalog.services["a"], tags=("theirs",))

    await sync.sync_full()

    assert catalog.services["a"].tags == ("mine",)


async def test_a_deferred_output_is_not_written_by_a_full_sync_but_when_due():
    local, catalog = make_local(), FakeCatalog()
    local.register_check('{"Name":"c","TTL":"1s"}')
    sync = make_sync(local, catalog)
    await sync.sync_full()
    local.clock.now_s = asyncio.get_running_loop().time()
    local.agent.update_check("c", "critical", "new")

    await sync.sync_full()
    assert catalog.checks["c"].output == ""

    local.state.pending.deferred["c"] = 0.0
    await sync.sync_changes()
    assert catalog.checks["c"].output == "new"


async def test_what_is_deregistered_goes_with_the_token_that_it_came_with():
    local, catalog = make_local(), FakeCatalog()
    local.register('{"Name":"a"}', token="t")
    sync = make_sync(local, catalog)
    await sync.sync_full()
    local.agent.deregister_service("a")

    await sync.sync_full()

    assert catalog.tokens == ["t"]


@pytest.mark.parametrize("refusal", [Invalid("bad"), NotFound("none")])
async def test_what_is_refused_waits_for_the_next_full_sync(refusal):
    local, catalog = make_local(), FakeCatalog()
    local.register('{"Name":"a"}')
    local.register('{"Name":"b"}')
    sync = make_sync(local, catalog)
    await sync.sync_full()
    local.agent.deregister_service("a")
    catalog.failure = refusal

    await sync.sync_changes()

    assert local.state.pending.is_empty
    catalog.failure = None
    await sync.sync_full()
    assert set(catalog.services) == {"b"}


async def test_a_denied_service_does_not_keep_others_from_being_written():
    local, catalog = make_local(), FakeCatalog()
    catalog.denied.add("a")
    local.register('{"Name":"a"}')
    local.register('{"Name":"b"}')

    await make_sync(local, catalog).sync_full()

    assert set(catalog.services) == {"b"}
    assert local.state.pending.is_empty


async def test_a_change_during_the_write_is_written_too():
    local, catalog = make_local(), FakeCatalog()
    local.register('{"Name":"a","Check":{"TTL":"1s"}}')
    sync = make_sync(local, catalog)
    write = catalog.register

    async def register(registration):
        await write(registration)
        catalog.register = write
        local.register('{"Name":"a","Port":2}')
        local.agent.update_check("service:a", "passing", "")

    catalog.register = register
    await sync.sync_full()
    assert local.state.pending.services == {"a"}

    await sync.sync_changes()
    assert (catalog.services["a"].port, catalog.checks["service:a"].status) == (2, "passing")


@pytest.fixture
async def tasks():
    tasks = Tasks()
    yield tasks
    await tasks.close()


async def test_changes_of_one_turn_go_out_at_once_and_together(tasks):
    local, catalog = make_local(), FakeCatalog()
    tasks.start("sync", make_sync(local, catalog).run())
    await until(lambda: catalog.writes)

    local.register('{"Name":"a","Check":{"TTL":"1s"}}')
    local.agent.update_check("service:a", "passing", "")
    await until(lambda: "a" in catalog.services)

    assert catalog.writes == ["register ", "register a +1"]
    assert catalog.checks["service:a"].status == "passing"


async def test_ghosts_vanish_when_the_catalogs_change_is_told(tasks):
    local, catalog = make_local(), FakeCatalog()
    sync = make_sync(local, catalog)
    tasks.start("sync", sync.run())
    await until(lambda: catalog.writes)

    catalog.services["ghost"] = NodeService(id="ghost", service="ghost")
    sync.catalog_changed()

    await until(lambda: not catalog.services)


async def test_a_failure_is_retried_and_changes_wait_for_it(tasks):
    local, catalog = make_local(), FakeCatalog()
    catalog.failure = OSError("no server")
    local.register('{"Name":"a"}')
    tasks.start("sync", make_sync(local, catalog).run())
    await asyncio.sleep(0.01)
    assert catalog.services == {}

    catalog.failure = None

    await until(lambda: "a" in catalog.services)


async def test_a_server_that_appears_ends_the_pause(tasks, monkeypatch):
    monkeypatch.setattr("agent.local.sync.SERVER_UP_STAGGER_S", 0.001)
    local, catalog = make_local(), FakeCatalog()
    catalog.failure = OSError("no server")
    sync = make_sync(local, catalog, timing=SyncTiming(retry_s=3600))
    tasks.start("sync", sync.run())
    await asyncio.sleep(0.005)
    catalog.failure = None
    local.register('{"Name":"a"}')
    sync.catalog_changed()

    sync.server_appeared()

    await until(lambda: "a" in catalog.services)


async def test_a_refusal_brings_the_next_full_sync_forward(tasks):
    local, catalog = make_local(), FakeCatalog()
    sync = make_sync(local, catalog)
    tasks.start("sync", sync.run())
    await until(lambda: catalog.node)
    local.register('{"Name":"a","EnableTagOverride":true,"Check":{"TTL":"1s"}}')
    await until(lambda: "a" in catalog.services)
    catalog.services.clear()

    local.agent.update_check("service:a", "passing", "")

    await until(lambda: "a" in catalog.services)
    assert catalog.checks["service:a"].status == "passing"


async def test_a_changed_node_is_written(tasks):
    local, catalog = make_local(), FakeCatalog()
    sync = make_sync(local, catalog)
    tasks.start("sync", sync.run())
    await until(lambda: len(catalog.writes) == 1)

    sync.node_changed()

    await until(lambda: len(catalog.writes) == 2)


async def test_a_due_output_wakes_the_sync(tasks):
    local, catalog = make_local(interval_s=0.02), FakeCatalog()
    local.register_check('{"Name":"c","TTL":"1s"}')
    tasks.start("sync", make_sync(local, catalog).run())
    await until(lambda: "c" in catalog.checks)
    local.clock.now_s = asyncio.get_running_loop().time()

    local.agent.update_check("c", "critical", "new")

    assert local.state.pending.is_empty
    await until(lambda: catalog.checks["c"].output == "new")


def test_the_interval_grows_with_the_cluster():
    sizes = {1: 1, 128: 1, 129: 2, 256: 2, 257: 3, 1024: 4}

    assert sizes == {size: scale_factor(size) for size in sizes}
