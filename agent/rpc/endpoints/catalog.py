"""Nodes and service instances. Source: Consul API, /v1/catalog."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from agent.rpc.near import sort_near
from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import ServerContext
from catalog import commands
from catalog.commands import Command
from catalog.errors import CatalogError, Invalid
from catalog.queries import catalog, gateway
from catalog.read import Read
from catalog.rows.check import CRITICAL, CheckDefinition, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import (
    KIND_CONNECT_PROXY,
    GatewayService,
    NodeService,
    ServiceNode,
    Weights,
)
from catalog.tables import NODES, SERVICES
from catalog.uuids import is_uuid


class CatalogRegister(WriteRequest, frozen=True, kw_only=True):
    """A node, one of its services, its checks. ``node`` is the node's name."""

    node: Node
    skip_node_update: bool = False
    service: NodeService | None = None
    checks: tuple[HealthCheck, ...] = ()


class CatalogDeregister(WriteRequest, frozen=True, kw_only=True):
    """One service, else one check, else the whole node."""

    node: str
    service_id: str = ""
    check_id: str = ""


class ListNodes(ReadRequest, frozen=True, kw_only=True):
    """All nodes."""

    meta: dict[str, str] = msgspec.field(default_factory=dict)
    near: str = ""


class ListServices(ReadRequest, frozen=True, kw_only=True):
    """All services with their tags."""

    meta: dict[str, str] = msgspec.field(default_factory=dict)


class ServiceNodes(ReadRequest, frozen=True, kw_only=True):
    """The instances of a service, or what serves it with mutual TLS (``connect``)."""

    service: str
    connect: bool = False
    tags: tuple[str, ...] = ()
    meta: dict[str, str] = msgspec.field(default_factory=dict)
    near: str = ""


class NodeServices(ReadRequest, frozen=True, kw_only=True):
    """A node with its instances, or None."""

    node: str


class NodeByAddress(ReadRequest, frozen=True, kw_only=True):
    """The first node with an address, else the first service instance with it."""

    address: str


class GatewayServices(ReadRequest, frozen=True, kw_only=True):
    """The services that a gateway exposes or reaches."""

    gateway: str


class NodeWithServices(msgspec.Struct, frozen=True, kw_only=True):
    """A node and the service instances on it."""

    node: Node
    services: list[NodeService]

    def filtered(self, keeps: Callable[[Any], bool]) -> "NodeWithServices":
        """The same node with the instances that a filter keeps."""
        return replace(self, services=[row for row in self.services if keeps(row)])


class AddressOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose address it is: one of the two is set, or none."""

    node: Node | None = None
    service: str | None = None


# Writes.


def register(server: ServerContext, request: CatalogRegister) -> Command:
    """Check the registration and fill in its defaults."""
    node = request.node
    if not node.node:
        raise Invalid("Must provide node")
    if not node.address and not request.skip_node_update:
        raise Invalid("Must provide address if SkipNodeUpdate is not set")
    if node.id and not is_uuid(node.id):
        raise Invalid(f"Bad node ID: {_uuid_fault(node.id)}")
    return commands.Register(
        node=node_defaults(server, node),
        skip_node_update=request.skip_node_update,
        service=None if request.service is None else service_defaults(request.service),
        checks=tuple(check_defaults(check) for check in request.checks),
    )


def _uuid_fault(text: str) -> str:
    return "uuid string is wrong length" if len(text) != 36 else "uuid is improperly formatted"


def node_defaults(server: ServerContext, node: Node) -> Node:
    """A node as it is stored: in this datacenter, without indexes of the caller's."""
    if not node.node:
        raise Invalid("Must provide node")
    return replace(node, id=node.id.lower(), datacenter=server.datacenter, create_index=0)


def service_defaults(service: NodeService) -> NodeService:
    """An instance as it is stored. Raises Invalid for what a proxy or gateway lacks."""
    if service.id and not service.service:
        raise Invalid("Must provide service name with ID")
    if not service.id:
        service = replace(service, id=service.service)
    if service.kind == KIND_CONNECT_PROXY:
        if not service.proxy.destination_service_name:
            raise CatalogError(
                "1 error occurred:\n\t* Proxy.DestinationServiceName must be non-empty for "
                "Connect proxy services\n\n"
            )
        if service.port == 0:
            raise CatalogError("1 error occurred:\n\t* Port must be set for a Connect proxy\n\n")
    if service.weights.passing < 1:
        service = replace(service, weights=Weights())
    return replace(service, create_index=0)


def check_defaults(check: HealthCheck) -> HealthCheck:
    """A check as it is stored: its id defaults to its name, its status to critical."""
    return replace(
        check,
        check_id=check.check_id or check.name,
        status=check.status or CRITICAL,
        type=check.type or _type_of(check.definition),
        create_index=0,
    )


def _type_of(definition: CheckDefinition) -> str:
    """The type that a definition implies; empty for a check that only others report."""
    kinds = (
        (definition.alias_node or definition.alias_service, "alias"),
        (definition.docker_container_id, "docker"),
        (definition.script_args, "script"),
        (definition.http, "http"),
        (definition.ttl, "ttl"),
        (definition.grpc, "grpc"),
        (definition.tcp, "tcp"),
    )
    return next((name for given, name in kinds if given), "")


def deregister(_server: ServerContext, request: CatalogDeregister) -> Command:
    """See CatalogDeregister."""
    if not request.node:
        raise Invalid("Must provide node")
    return commands.Deregister(
        node=request.node, service_id=request.service_id, check_id=request.check_id
    )


# Reads.


def list_nodes(read: Read, request: ListNodes, _server: ServerContext) -> list[Node]:
    """See ListNodes."""
    found = catalog.nodes(read, request.meta)
    return sort_near(read, request.near, found, lambda node: node.node)


def list_services(
    read: Read, request: ListServices, _server: ServerContext
) -> dict[str, tuple[str, ...]]:
    """See ListServices."""
    return catalog.services(read, request.meta)


def service_nodes(read: Read, request: ServiceNodes, _server: ServerContext) -> list[ServiceNode]:
    """See ServiceNodes."""
    lookup = catalog.connect_instances if request.connect else catalog.instances
    found = catalog.service_nodes(read, lookup(read, request.service), request.tags, request.meta)
    return sort_near(read, request.near, found, lambda row: row.node)


def node_services(
    read: Read, request: NodeServices, _server: ServerContext
) -> NodeWithServices | None:
    """See NodeServices."""
    found = catalog.node_services(read, request.node)
    if found is None:
        return None
    node, instances = found
    return NodeWithServices(node=node, services=[row.service for row in instances])


def by_address(read: Read, request: NodeByAddress, _server: ServerContext) -> AddressOwner:
    """See NodeByAddress."""
    read.depend("nodes", "services")
    nodes = read.store.find(NODES, "address", request.address)
    if nodes:
        return AddressOwner(node=nodes[0])
    instances = read.store.find(SERVICES, "address", request.address)
    return AddressOwner(service=instances[0].service.service if instances else None)


def gateway_services(
    read: Read, request: GatewayServices, _server: ServerContext
) -> list[GatewayService]:
    """See GatewayServices."""
    return gateway.services_of(read, request.gateway)
