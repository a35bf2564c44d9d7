"""DNS over the endpoint table."""

import pytest

from agent.dns import directory
from agent.dns.rpc_directory import RpcDirectory
from agent.rpc.endpoints.catalog import CatalogDeregister, CatalogRegister
from agent.rpc.endpoints.query import QueryApply
from agent.rpc.request import NoLeader
from catalog.rows.node import Node
from catalog.rows.query import PreparedQuery, QueryDNS, QueryService
from catalog.rows.service import KIND_CONNECT_PROXY, ConnectProxy, NodeService
from tests.agent.harness import House
from tests.agent.rpc.cluster import open_cluster


@pytest.fixture
async def names(house: House) -> RpcDirectory:
    for service in (
        NodeService(id="web-1", service="web", tags=("a", "b"), address="10.0.0.9", port=80),
        NodeService(id="web-2", service="web", tags=("a",)),
        NodeService(
            id="proxy",
            service="proxy",
            kind=KIND_CONNECT_PROXY,
            port=1,
            proxy=ConnectProxy(destination_service_name="web"),
        ),
    ):
        await house.agent.router.call(
            CatalogRegister(node=Node(node="n1", address="10.0.0.1"), service=service)
        )
    return RpcDirectory(house.agent.router)


async def test_instances_carry_every_asked_tag(names):
    found = await names.service_nodes("web", ("a", "b"), "service", "")

    assert [row.service.id for row in found.value] == ["web-1"]
    assert len((await names.service_nodes("WEB", (), "service", "dc1")).value) == 2
    assert (await names.service_nodes("none", (), "service", "")).value == ()


async def test_proxies_are_found_by_what_they_serve(names):
    found = await names.service_nodes("web", (), "connect", "")

    assert [row.service.id for row in found.value] == ["proxy"]


async def test_nodes_are_found_by_name(names):
    assert (await names.node("N1", "")).value.address == "10.0.0.1"
    assert (await names.node("none", "")).value is None


async def test_addresses_have_owners(names):
    owners = [(await names.by_address(text)).value for text in ("10.0.0.1", "10.0.0.9", "1.2.3.4")]

    assert [(owner.kind, owner.name, owner.datacenter) for owner in owners[:2]] == [
        ("node", "n1", "dc1"),
        ("service", "web", "dc1"),
    ]
    assert owners[2] is None


async def test_the_servers_are_their_own_service(names):
    assert [row.node.node for row in (await names.servers("")).value] == ["node-a"]


async def test_a_query_is_run_and_never_kept(house: House, names):
    query = PreparedQuery(
        id="", name="q", service=QueryService(service="web"), dns=QueryDNS(ttl="7s")
    )
    await house.agent.router.call(QueryApply(query=query, create=True))

    found = await names.query("q", "", "127.0.0.1", 1)

    assert (found.value.service, found.value.ttl, len(found.value.nodes)) == ("web", "7s", 1)
    assert found.on_change is None
    assert (await names.query("none", "", "", 0)).value is None


async def test_an_unknown_datacenter_says_so(names):
    with pytest.raises(directory.UnknownDatacenter):
        await names.node("n1", "dc2")


async def test_a_cluster_without_leader_says_so(house: House, names, monkeypatch):
    def fail(_request):
        raise NoLeader

    monkeypatch.setattr(house.agent.router, "read_now", fail)
    with pytest.raises(directory.NoLeader):
        await names.node("n1", "")


async def test_an_answer_is_told_of_its_first_change_only(house: House, names):
    found = await names.service_nodes("web", (), "service", "")
    changed = []
    found.on_change(lambda: changed.append(1))

    for service_id in ("web-1", "web-2"):
        await house.agent.router.call(CatalogDeregister(node="n1", service_id=service_id))

    assert changed == [1]


async def test_a_change_between_the_read_and_the_wait_is_told_at_once(house: House, names):
    found = await names.service_nodes("web", (), "service", "")
    await house.agent.router.call(CatalogDeregister(node="n1", service_id="web-1"))
    changed = []

    cancel = found.on_change(lambda: changed.append(1))
    cancel()

    assert changed == [1]


async def test_a_cancelled_wait_is_not_told(house: House, names):
    watches = len(house.agent.server.store.watches)
    found = await names.service_nodes("web", (), "service", "")
    changed = []
    cancel = found.on_change(lambda: changed.append(1))
    cancel()
    cancel()
    assert len(house.agent.server.store.watches) == watches

    await house.agent.router.call(CatalogDeregister(node="n1", service_id="web-1"))
    assert changed == []


async def test_a_client_agent_asks_a_server_and_keeps_nothing():
    async with open_cluster() as cluster:
        service = NodeService(id="web-1", service="web", port=80)
        await cluster.remote.call(
            CatalogRegister(node=Node(node="n1", address="10.0.0.1"), service=service)
        )
        names = RpcDirectory(cluster.remote)

        found = await names.service_nodes("web", (), "service", "")
        owner = await names.by_address("10.0.0.1")
        missing = await names.query("none", "", "10.0.0.2", 0)

        assert [row.service.id for row in found.value] == ["web-1"]
        assert owner.value == directory.AddressOwner("node", "n1", "dc1")
        assert missing.value is None
        assert found.on_change is owner.on_change is missing.on_change is None
        with pytest.raises(directory.UnknownDatacenter):
            await names.node("n1", "dc9")


async def test_without_a_server_a_client_agents_names_are_an_error():
    async with open_cluster() as cluster:
        cluster.known.set()

        with pytest.raises(directory.DirectoryError, match="No known Consul servers"):
            await RpcDirectory(cluster.remote).node("n1", "")
