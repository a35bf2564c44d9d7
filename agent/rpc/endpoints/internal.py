"""What the web UI asks. Source: Consul API, /v1/internal/ui."""

from typing import Any

import msgspec

from agent.rpc.request import ReadRequest
from agent.rpc.server import ServerContext
from catalog.queries import health
from catalog.queries.catalog import find_node
from catalog.read import Read
from catalog.rows.check import CRITICAL, PASSING, CheckServiceNode, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import KIND_CONNECT_PROXY, NodeService
from catalog.schema import Omit, Row
from catalog.store import Store
from catalog.tables import CHECKS, NODES, SERVICES

EXTERNAL_SOURCE = "external-source"


class NodeDump(ReadRequest, frozen=True, kw_only=True):
    """All nodes with all that is on them; or one (``node``), or an empty list."""

    node: str = ""


class ServiceDump(ReadRequest, frozen=True, kw_only=True):
    """All instances, or those of a kind."""

    kind: str = ""


class NodeInfo(Row, frozen=True, kw_only=True):
    """A node with its services and checks."""

    id: str = ""
    node: str
    address: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    services: tuple[NodeService, ...] | None = None
    checks: tuple[HealthCheck, ...] | None = None


class GatewayConfig(Row, frozen=True, kw_only=True):
    """What a gateway is linked to."""

    associated_service_count: Omit[int] = 0
    addresses: Omit[tuple[str, ...] | None] = None


class ServiceSummary(Row, frozen=True, kw_only=True):
    """A service with the counts of its instances' checks."""

    kind: Omit[str] = ""
    name: str
    datacenter: str
    tags: tuple[str, ...] | None = None
    nodes: tuple[str, ...] = ()
    external_sources: tuple[str, ...] | None = None
    instance_count: int = 0
    checks_passing: int = 0
    checks_warning: int = 0
    checks_critical: int = 0
    gateway_config: GatewayConfig = GatewayConfig()
    connected_with_proxy: bool = False
    connected_with_gateway: bool = False


class _Summary(msgspec.Struct):
    """A summary in the making."""

    kind: str = ""
    tags: dict[str, None] = msgspec.field(default_factory=dict)
    nodes: dict[str, None] = msgspec.field(default_factory=dict)
    sources: dict[str, None] = msgspec.field(default_factory=dict)
    instance_count: int = 0
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    with_proxy: bool = False


def nodes(read: Read, request: NodeDump, _server: ServerContext) -> list[NodeInfo]:
    """See NodeDump."""
    read.depend("nodes", "services", "checks")
    if request.node:
        node = find_node(read.store, request.node)
        return [] if node is None else [_node_info(read.store, node)]
    return [_node_info(read.store, node) for node in read.store.all(NODES)]


def _node_info(store: Store, node: Node) -> NodeInfo:
    key = node.node.lower()
    services = [row.service for row in store.find(SERVICES, "node", key)]
    return NodeInfo(
        id=node.id,
        node=node.node,
        address=node.address,
        tagged_addresses=node.tagged_addresses,
        meta=node.meta,
        services=tuple(services) or None,
        checks=tuple(store.find(CHECKS, "node", key)) or None,
    )


def services(read: Read, request: ServiceDump, _server: ServerContext) -> list[CheckServiceNode]:
    """See ServiceDump: every instance with its node and checks."""
    if request.kind:
        return health.kind_nodes(read, request.kind)
    read.depend("nodes", "services", "checks")
    return health.join(read.store, read.store.all(SERVICES), (), {})


def summarize(rows: list[CheckServiceNode], datacenter: str) -> list[ServiceSummary]:
    """The instances by service, in the order of the names."""
    summaries: dict[str, _Summary] = {}
    for row in rows:
        _count(summaries, row)
    return [_shown(name, summaries[name], datacenter) for name in sorted(summaries)]


def _count(summaries: dict[str, _Summary], row: CheckServiceNode) -> None:
    service = row.service
    summary = summaries.setdefault(service.service, _Summary())
    summary.kind = service.kind
    summary.instance_count += 1
    summary.tags.update(dict.fromkeys(service.tags or ()))
    summary.nodes[row.node.node] = None
    source = (service.meta or {}).get(EXTERNAL_SOURCE)
    if source:
        summary.sources[source] = None
    counted: list[Any] = [summary]
    if service.kind == KIND_CONNECT_PROXY:
        destination = summaries.setdefault(service.proxy.destination_service_name, _Summary())
        destination.with_proxy = True
        counted.append(destination)
    for check in row.checks:
        for each in counted:
            each.counts[check.status] = each.counts.get(check.status, 0) + 1


def _shown(name: str, summary: _Summary, datacenter: str) -> ServiceSummary:
    counts = summary.counts
    return ServiceSummary(
        kind=summary.kind,
        name=name,
        datacenter=datacenter,
        tags=tuple(summary.tags) or None,
        nodes=tuple(summary.nodes),
        external_sources=tuple(sorted(summary.sources)) or None,
        instance_count=summary.instance_count,
        checks_passing=counts.get(PASSING, 0),
        checks_warning=counts.get("warning", 0),
        checks_critical=counts.get(CRITICAL, 0),
        connected_with_proxy=summary.with_proxy,
    )
