"""The servers' catalog as this node sees it."""

import asyncio

import pytest

from agent.local.servers_catalog import AliasLookup, ServersCatalog
from agent.local.sync import Registration
from catalog.errors import CatalogError
from catalog.rows.check import PASSING, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from tests.agent.harness import House, until, within

NODE = Node(node="n1", address="10.0.0.1")


@pytest.fixture
def servers(house: House) -> ServersCatalog:
    return ServersCatalog(house.agent.router)


@pytest.fixture
def lookup(house: House) -> AliasLookup:
    return AliasLookup(house.agent.local_state, house.agent.router)


async def register(servers: ServersCatalog) -> None:
    await servers.register(
        Registration(
            node=NODE,
            service=NodeService(id="web-1", service="web"),
            checks=(HealthCheck(node="n1", check_id="c", status=PASSING),),
        )
    )


async def test_what_is_registered_can_be_read(servers):
    await register(servers)

    node, services = await servers.node_services("n1")
    assert (node.address, [row.id for row in services]) == ("10.0.0.1", ["web-1"])
    assert [check.check_id for check in await servers.node_checks("n1")] == ["c"]


async def test_an_unknown_node_has_nothing(servers):
    assert await servers.node_services("none") == (None, ())
    assert await servers.node_checks("none") == ()


async def test_services_and_checks_are_removed_alone(servers):
    await register(servers)
    await servers.deregister("n1", check_id="c")
    assert await servers.node_checks("n1") == ()
    assert len((await servers.node_services("n1"))[1]) == 1

    await servers.deregister("n1", service_id="web-1")
    assert (await servers.node_services("n1"))[1] == ()


async def test_a_refusal_is_raised(servers):
    with pytest.raises(CatalogError, match="Must provide node"):
        await servers.register(Registration(node=Node(node="")))


async def test_an_alias_waits_for_a_nodes_checks(house: House, servers, lookup):
    await register(servers)
    index, checks = await lookup.node_checks("n1", token="", index_min=0)
    assert [check.status for check in checks] == [PASSING]
    waiting = asyncio.create_task(lookup.node_checks("n1", token="", index_min=index))
    await until(lambda: house.agent.router.blocked_count)

    await servers.deregister("n1", check_id="c")

    assert (await within(waiting))[0] > index


async def test_an_alias_sees_services_of_other_nodes_and_its_own(servers, lookup):
    await register(servers)

    assert await lookup.node_has_service("n1", "web-1", token="")
    assert not await lookup.node_has_service("n1", "other", token="")
    assert not await lookup.node_has_service("none", "web-1", token="")
    assert (lookup.has_local_service("web-1"), list(lookup.local_checks())) == (False, [])
    lookup.watch_local("web-1", lambda: None)()
