"""Where a request is answered."""

import asyncio

import pytest

from agent.rpc.endpoints.catalog import CatalogRegister, ListNodes, NodeServices
from agent.rpc.endpoints.kv import KvApply, KvGet, KvList
from agent.rpc.endpoints.query import QueryApply, QueryExecute, QueryOutcome
from agent.rpc.endpoints.session import SessionRenew
from agent.rpc.remote_router import NotLocal
from agent.rpc.request import NoPathToDatacenter, Reply
from agent.rpc.router import Router
from catalog.commands import KvOperation, KvVerb
from catalog.errors import BadRequest, CatalogError
from catalog.filters import FilterError
from catalog.rows.node import Node
from catalog.rows.query import PreparedQuery, QueryFailover, QueryService
from catalog.rows.service import NodeService
from tests.agent.harness import House, until, within

NO_SESSION = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def router(house: House) -> Router:
    return house.agent.router


def write(key: str, value: bytes = b"v", **options) -> KvApply:
    return KvApply(operation=KvOperation(verb=KvVerb.SET, key=key, value=value), **options)


async def test_a_write_is_answered_with_its_value(router):
    assert (await router.call(write("k"))).value is True
    assert (await router.call(KvGet(key="k"))).value.value == b"v"


async def test_a_refused_write_raises_the_refusal(router):
    with pytest.raises(BadRequest, match="Must provide key"):
        await router.call(write(""))
    operation = KvOperation(verb=KvVerb.LOCK, key="k", value=b"", session=NO_SESSION)
    with pytest.raises(CatalogError, match="invalid session"):
        await router.call(KvApply(operation=operation))


async def test_a_write_without_command_is_answered_at_once(router):
    seen = []
    router.submit(SessionRenew(id=NO_SESSION), seen.append)

    assert seen == [None]


async def test_the_index_of_an_answer_is_never_0(router):
    assert (await router.call(KvGet(key="none"))).index >= 1
    assert router.read_now(KvList(prefix="none/"))[0].index >= 1


@pytest.mark.parametrize("name", ["dc1", "DC1", ""])
async def test_this_datacenter_is_known_without_regard_to_case(router, name):
    assert (await router.call(KvGet(key="none", datacenter=name))).value is None


async def test_another_datacenter_is_not_known(router):
    for request in (KvGet(key="k", datacenter="dc2"), write("k", datacenter="dc2")):
        with pytest.raises(NoPathToDatacenter, match="No path to datacenter"):
            await router.call(request)
    with pytest.raises(NoPathToDatacenter):
        router.local.read_now(KvGet(key="k", datacenter="dc2"))


async def register(router: Router, node: str, *services: str) -> None:
    for service in services or (None,):
        await router.call(
            CatalogRegister(
                node=Node(node=node, address="10.0.0.1"),
                service=None if service is None else NodeService(id=service, service=service),
            )
        )


async def test_a_filter_keeps_rows_and_the_index_of_all(router):
    await register(router, "n1")
    await register(router, "n2")

    every = await router.call(ListNodes())
    some = await router.call(ListNodes(filter='Node == "n1"'))

    assert [node.node for node in some.value] == ["n1"]
    assert some.index == every.index
    assert router.read_now(ListNodes(filter="Node == n1"))[0].value == some.value


async def test_a_filter_of_a_nodes_services_keeps_the_node(router):
    await register(router, "n1", "a", "b")

    found = (await router.call(NodeServices(node="n1", filter="Service == a"))).value
    none = (await router.call(NodeServices(node="none", filter="Service == a"))).value

    assert [service.id for service in found.services] == ["a"]
    assert none is None


async def test_a_bad_filter_is_refused_before_the_read_blocks(router):
    with pytest.raises(FilterError):
        await within(router.call(ListNodes(filter="Node ==", min_index=10**9)))


async def test_a_filter_of_an_endpoint_without_rows_is_ignored(router):
    assert (await router.call(KvGet(key="none", filter="("))).value is None


async def test_blocked_reads_are_counted_while_they_block(router):
    reading = asyncio.create_task(router.call(KvGet(key="k", min_index=10**9)))
    await until(lambda: router.blocked_count == 1)
    reading.cancel()
    await asyncio.wait([reading])

    assert router.blocked_count == 0


async def test_a_watch_is_called_once_at_the_first_change(router):
    reply, read = router.read_now(KvGet(key="k"))
    seen = []
    router.watch(read.watched, lambda: seen.append(1))
    before = router.changes

    await router.call(write("k"))
    await router.call(write("k", b"w"))

    assert (reply.value, seen) == (None, [1])
    assert router.changes > before


async def test_a_forgotten_watch_is_not_called(router):
    _, read = router.read_now(KvGet(key="k"))
    seen = []

    def wake_up() -> None:
        seen.append(1)

    router.watch(read.watched, wake_up)
    router.unwatch(read.watched, wake_up)
    await router.call(write("k"))

    assert seen == []


async def test_a_cancelled_write_is_applied_all_the_same(router):
    writing = asyncio.create_task(router.call(write("k")))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait([writing])
    await router.local.log.barrier()

    assert (await router.call(KvGet(key="k"))).value.value == b"v"


async def test_a_proposer_that_fails_does_not_stop_the_log(router):
    def fail(_result: object) -> None:
        raise ZeroDivisionError

    router.submit(write("k"), fail)

    assert (await within(router.call(write("other")))).value is True


class OneAbroad:
    """Another datacenter, where every query finds the same."""

    def datacenters(self) -> tuple[str, ...]:
        return ("dc2",)

    async def call(self, request) -> Reply:
        outcome = QueryOutcome(
            service="db", nodes=(), dns=request.query.dns, datacenter=request.datacenter
        )
        return Reply(value=outcome)


async def test_a_read_that_finds_nothing_here_is_asked_elsewhere_by_a_call_only(router):
    router.context.abroad = OneAbroad()
    service = QueryService(service="db", failover=QueryFailover(nearest_n=1))
    await router.call(QueryApply(query=PreparedQuery(name="q", service=service), create=True))

    with pytest.raises(NotLocal):
        router.read_now(QueryExecute(name_or_id="q"))
    outcome = (await router.call(QueryExecute(name_or_id="q"))).value

    assert ("dc2", 1) == (outcome.datacenter, outcome.failovers)
