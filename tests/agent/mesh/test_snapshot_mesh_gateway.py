"""Mesh gateways."""

from msgspec.structs import replace

from agent.mesh.watch_questions import Datacenters, Entries, Gateways, Sidecars
from catalog.rows.config_entry import ServiceResolver
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.service import (
    KIND_MESH_GATEWAY,
    ConnectProxy,
    NodeService,
    ServiceAddress,
)
from proxy.api import ProxyConfig
from tests.agent.mesh.world import DC1, DC2, TRUST_DOMAIN, World, instance, sni

GATEWAY = NodeService(
    kind=KIND_MESH_GATEWAY,
    id="gate",
    service="gate",
    port=8443,
    tagged_addresses={"wan": ServiceAddress(address="203.0.113.1", port=443)},
)


def world(*resolvers: ServiceResolver) -> World:
    rows = (
        instance("web", node="a", address="10.0.0.1", meta={"v": "1"}),
        instance("web", node="b", address="10.0.0.2", status="critical"),
        instance("db", node="c", address="10.0.0.3"),
    )
    abroad = (instance(KIND_MESH_GATEWAY, node="g", address="10.2.0.1", datacenter=DC2),)
    found = World(*resolvers).knows(Sidecars(), rows).knows(Datacenters(), (DC1, DC2))
    found.knows(Gateways(DC2), abroad)
    for resolver in resolvers:
        found.knows(Entries("service-resolver"), (resolver,))
    return found


def ways(config: ProxyConfig) -> dict[str, list[str]]:
    """The addresses behind each server name."""
    (listener,) = config.listeners
    return {
        chain.server_names[0]: [
            endpoint.address
            for endpoint in config.clusters[chain.routes[0].clusters[0].cluster].groups[0].endpoints
        ]
        for chain in listener.chains
    }


def test_names_of_here_lead_to_sidecars_and_those_of_elsewhere_to_gateways() -> None:
    assert {
        sni("db"): ["10.0.0.3"],
        sni("web"): ["10.0.0.1"],
        f"*.dc2.internal.{TRUST_DOMAIN}": ["10.2.0.1"],
    } == ways(world().config(GATEWAY))


def test_bytes_are_passed_on_unread() -> None:
    config = world().config(GATEWAY)

    for chain in config.listeners[0].chains:
        assert (None, None, "tcp") == (chain.tls, chain.policy, chain.protocol)
    assert {} == config.identities
    assert all(group.tls is None for each in config.clusters.values() for group in each.groups)


def test_subsets_have_names_of_their_own() -> None:
    subsets = {"v1": Subset(filter="Service.Meta.v == 1"), "bad": Subset(filter="what is this")}
    resolver = ServiceResolver(name="web", default_subset="v1", subsets=subsets)

    found = ways(world(resolver).config(GATEWAY))

    assert ["10.0.0.1"] == found[sni("web", subset="v1")]
    assert ["10.0.0.1"] == found[sni("web")]
    assert [] == found[sni("web", subset="bad")]


def test_it_listens_where_it_is_told() -> None:
    config = {
        "envoy_gateway_no_default_bind": True,
        "envoy_gateway_bind_tagged_addresses": True,
        "envoy_gateway_bind_addresses": {
            "all": {"address": "10.0.0.1", "port": 9443},
            "same": {"address": "203.0.113.1", "port": 443},
        },
    }
    given = replace(GATEWAY, proxy=ConnectProxy(config=config))

    usual = world().config(GATEWAY).listeners
    bound = world().config(given).listeners

    assert [("default", "0.0.0.0", 8443)] == [(x.name, x.address, x.port) for x in usual]
    assert [("wan", "203.0.113.1", 443), ("all", "10.0.0.1", 9443)] == [
        (x.name, x.address, x.port) for x in bound
    ]
