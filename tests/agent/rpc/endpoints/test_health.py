"""Which instances serve a service."""

import pytest

from agent.rpc.endpoints.health import HealthServiceNodes, Lookup, service_nodes
from catalog.read import Read
from catalog.rows.node import Node
from catalog.rows.service import (
    KIND_CONNECT_PROXY,
    ConnectProxy,
    NodeService,
    ServiceConnect,
    ServiceInstance,
)
from catalog.tables import NODES, SERVICES
from tests.agent.rpc.endpoints.server import make_server

SERVICES_HERE = (
    NodeService(id="plain", service="web"),
    NodeService(id="native", service="web", connect=ServiceConnect(native=True)),
    NodeService(
        id="proxy",
        service="web-proxy",
        kind=KIND_CONNECT_PROXY,
        proxy=ConnectProxy(destination_service_name="web"),
    ),
)


@pytest.mark.parametrize(
    ("lookup", "ids"),
    [
        (Lookup.SERVICE, {"plain", "native"}),
        (Lookup.CONNECT, {"native", "proxy"}),
        (Lookup.INGRESS, set()),
    ],
)
def test_each_lookup_has_its_own_instances(lookup, ids):
    server = make_server()
    server.store.put(NODES, Node(node="n"))
    for service in SERVICES_HERE:
        server.store.put(SERVICES, ServiceInstance(node="n", service=service))

    request = HealthServiceNodes(service="web", lookup=lookup)
    found = service_nodes(Read(server.store), request, server)

    assert {row.service.id for row in found} == ids
