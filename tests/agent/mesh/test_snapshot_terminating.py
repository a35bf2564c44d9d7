"""Terminating gateways."""

from agent.mesh.snapshot_terminating import protocol_of_service
from agent.mesh.watch_questions import Leaf, Linked, Members
from catalog.duration import SECOND
from catalog.rows.check import CRITICAL, CheckServiceNode, HealthCheck
from catalog.rows.config_entry import (
    ConfigEntry,
    ProxyDefaults,
    ServiceDefaults,
    ServiceIntentions,
    ServiceResolver,
)
from catalog.rows.config_entry.service_intentions import SourceIntention
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.node import Node
from catalog.rows.service import KIND_TERMINATING_GATEWAY, GatewayService, NodeService
from proxy.api import ClientTls
from tests.agent.mesh.world import World, sni

GATEWAY = NodeService(kind=KIND_TERMINATING_GATEWAY, id="gate", service="gate", port=8443)


def link(service: str = "legacy", **files: str) -> GatewayService:
    return GatewayService(
        gateway="gate", service=service, gateway_kind=KIND_TERMINATING_GATEWAY, **files
    )


def member(address: str, **service: object) -> CheckServiceNode:
    status = str(service.pop("status", "passing"))
    return CheckServiceNode(
        node=Node(node=address, address="10.0.0.9"),
        service=NodeService(id="legacy", service="legacy", address=address, port=5432, **service),  # type: ignore[arg-type] # fields by name
        checks=(HealthCheck(node=address, status=status),),
    )


def world(*entries: ConfigEntry, linked: GatewayService | None = None) -> World:
    members = (member("db.example.com"), member("10.0.0.3", status=CRITICAL))
    return (
        World(*entries).knows(Linked("gate"), (linked or link(),)).knows(Members("legacy"), members)
    )


def test_it_speaks_for_each_linked_service_with_its_leaf_and_its_intentions() -> None:
    allow = ServiceIntentions(name="legacy", sources=(SourceIntention(name="web", action="allow"),))

    config = world(allow).config(GATEWAY)

    (listener,) = config.listeners
    (chain,) = listener.chains
    assert ("gateway", 8443) == (listener.direction, listener.port)
    assert (sni("legacy"),) == chain.server_names
    assert chain.tls is not None
    assert ("legacy", True) == (chain.tls.identity, chain.tls.mutual)
    assert chain.policy is not None
    assert ["web"] == [each.source for each in chain.policy.intentions]
    assert ["legacy"] == list(config.identities)


def test_the_services_own_instances_stand_behind_it() -> None:
    (group,) = world().config(GATEWAY).clusters["legacy.default.dc1"].groups

    assert group.tls is None
    assert [("db.example.com", 5432)] == [(each.address, each.port) for each in group.endpoints]


def test_tls_from_files_is_dialled_with_the_name_of_the_link() -> None:
    files = {"ca_file": "ca.pem", "cert_file": "c.pem", "key_file": "k.pem", "sni": "db.example"}

    (group,) = world(linked=link(**files)).config(GATEWAY).clusters["legacy.default.dc1"].groups

    assert (
        ClientTls(ca_file="ca.pem", cert_file="c.pem", key_file="k.pem", server_name="db.example")
        == group.tls
    )


def test_subsets_have_names_and_clusters_of_their_own() -> None:
    resolver = ServiceResolver(
        name="legacy",
        subsets={"new": Subset(filter="Service.Meta.v == 2")},
        connect_timeout=2 * SECOND,
        request_timeout=3 * SECOND,
    )

    config = world(resolver).config(GATEWAY)

    names = [chain.server_names for chain in config.listeners[0].chains]
    assert [(sni("legacy"),), (sni("legacy", subset="new"),)] == names
    assert 2.0 == config.clusters["legacy.default.dc1"].connect_timeout_s
    assert () == config.clusters["new.legacy.default.dc1"].groups[0].endpoints
    (route,) = config.listeners[0].chains[0].routes
    assert (3.0, "resolver:legacy.default.dc1 RequestTimeout") == (
        route.timeout_s,
        route.timeout_from,
    )


def test_a_filter_that_cannot_be_read_takes_nobody() -> None:
    resolver = ServiceResolver(
        name="legacy", default_subset="x", subsets={"x": Subset(filter="what is this")}
    )

    assert () == world(resolver).config(GATEWAY).clusters["legacy.default.dc1"].groups[0].endpoints


def test_the_protocol_is_the_services_or_everybodys() -> None:
    own = ServiceDefaults(name="legacy", protocol="http2")
    shared = ProxyDefaults(config={"protocol": "http"})

    chain = world(own, shared).config(GATEWAY).listeners[0].chains[0]

    assert "http2" == chain.protocol
    assert "http" == protocol_of_service("legacy", World(shared).answers())
    assert "tcp" == protocol_of_service("legacy", World().answers())


def test_a_gateway_without_a_certificate_is_nobody() -> None:
    assert world().lacks(Leaf).build(GATEWAY) is None
    assert World().build(GATEWAY) is None
