"""Registrations, before they are proposed."""

import pytest

from agent.rpc.endpoints.catalog import (
    CatalogDeregister,
    CatalogRegister,
    NodeWithServices,
    check_defaults,
    deregister,
    register,
    service_defaults,
)
from catalog.errors import CatalogError, Invalid
from catalog.rows.check import CRITICAL, CheckDefinition, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import KIND_CONNECT_PROXY, ConnectProxy, NodeService, Weights
from tests.agent.rpc.endpoints.server import NEW_UUID, make_server

NODE = Node(id=NEW_UUID.upper(), node="n", address="a", create_index=7)


def test_a_node_is_stored_in_this_datacenter_with_its_id_in_lower_case():
    command = register(make_server(), CatalogRegister(node=NODE))

    assert (command.node.id, command.node.datacenter) == (NEW_UUID, "dc1")
    assert command.node.create_index == 0


def test_only_an_update_of_services_may_lack_the_address():
    node = Node(node="n")
    with pytest.raises(Invalid, match="Must provide address"):
        register(make_server(), CatalogRegister(node=node))

    assert register(make_server(), CatalogRegister(node=node, skip_node_update=True))


@pytest.mark.parametrize(
    ("node_id", "fault"),
    [("short", "uuid string is wrong length"), ("x" * 36, "uuid is improperly formatted")],
)
def test_a_bad_node_id_is_refused_with_its_fault(node_id, fault):
    with pytest.raises(Invalid, match=f"Bad node ID: {fault}"):
        register(make_server(), CatalogRegister(node=Node(id=node_id, node="n", address="a")))


def test_an_instance_is_named_after_its_service_and_has_weights():
    service = service_defaults(NodeService(service="web", weights=Weights(passing=0)))

    assert (service.id, service.weights) == ("web", Weights())
    with pytest.raises(Invalid, match="Must provide service name with ID"):
        service_defaults(NodeService(id="web"))


@pytest.mark.parametrize(
    ("proxy", "port", "text"),
    [
        (ConnectProxy(), 1, "Proxy.DestinationServiceName must be non-empty"),
        (ConnectProxy(destination_service_name="web"), 0, "Port must be set"),
    ],
)
def test_a_proxy_needs_a_destination_and_a_port(proxy, port, text):
    service = NodeService(service="p", kind=KIND_CONNECT_PROXY, proxy=proxy, port=port)

    with pytest.raises(CatalogError, match=text):
        service_defaults(service)


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        (CheckDefinition(), ""),
        (CheckDefinition(http="http://a"), "http"),
        (CheckDefinition(tcp="a:1"), "tcp"),
        (CheckDefinition(grpc="a:1"), "grpc"),
    ],
)
def test_a_check_is_critical_until_told_otherwise_and_its_type_is_implied(definition, kind):
    check = check_defaults(HealthCheck(name="c", definition=definition))

    assert (check.check_id, check.status, check.type) == ("c", CRITICAL, kind)
    given = HealthCheck(check_id="i", name="c", status="passing", type="ttl")
    assert check_defaults(given) == given


def test_a_deregistration_needs_a_node():
    with pytest.raises(Invalid, match="Must provide node"):
        deregister(make_server(), CatalogDeregister(node=""))


def test_a_filter_keeps_the_node_and_drops_instances():
    found = NodeWithServices(
        node=NODE, services=[NodeService(id="a", service="a"), NodeService(id="b", service="b")]
    )

    kept = found.filtered(lambda row: row.id == "b")

    assert (kept.node, [row.id for row in kept.services]) == (NODE, ["b"])
