"""What the web page shows, summed up."""

from agent.rpc.endpoints.internal import summarize
from catalog.rows.check import CheckServiceNode, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import KIND_CONNECT_PROXY, ConnectProxy, NodeService


def instance(node: str, service: NodeService, *statuses: str) -> CheckServiceNode:
    checks = tuple(HealthCheck(node=node, check_id=status, status=status) for status in statuses)
    return CheckServiceNode(node=Node(node=node), service=service, checks=checks)


WEB = NodeService(id="web", service="web", tags=("a",), meta={"external-source": "k8s"})
PROXY = NodeService(
    id="p",
    service="web-proxy",
    kind=KIND_CONNECT_PROXY,
    proxy=ConnectProxy(destination_service_name="web"),
)


def test_instances_are_counted_by_service():
    rows = [instance("n1", WEB, "passing"), instance("n2", WEB, "critical", "warning")]

    (web,) = summarize(rows, "dc1")

    assert (web.name, web.datacenter, web.instance_count) == ("web", "dc1", 2)
    assert (web.nodes, web.tags, web.external_sources) == (("n1", "n2"), ("a",), ("k8s",))
    assert (web.checks_passing, web.checks_warning, web.checks_critical) == (1, 1, 1)


def test_a_proxy_counts_for_its_destination_too():
    summaries = summarize([instance("n1", PROXY, "critical"), instance("n1", WEB)], "dc1")

    web, proxy = summaries
    assert (web.name, web.connected_with_proxy, web.checks_critical) == ("web", True, 1)
    assert (proxy.kind, proxy.connected_with_proxy) == (KIND_CONNECT_PROXY, False)


def test_nothing_registered_gives_nothing():
    assert summarize([], "dc1") == []
