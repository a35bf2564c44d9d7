"""Health. Source: Consul API, /v1/health."""

from enum import StrEnum

import msgspec

from agent.rpc.near import sort_near
from agent.rpc.request import ReadRequest
from agent.rpc.server import ServerContext
from catalog.queries import gateway, health
from catalog.read import Read
from catalog.rows.check import CheckServiceNode, HealthCheck


class Lookup(StrEnum):
    """Which instances serve a service: its own, mutual TLS ones, or ingress gateways."""

    SERVICE = "service"
    CONNECT = "connect"
    INGRESS = "ingress"


class NodeChecks(ReadRequest, frozen=True, kw_only=True):
    """All checks of a node."""

    node: str


class ServiceChecks(ReadRequest, frozen=True, kw_only=True):
    """The checks of a service's instances."""

    service: str
    meta: dict[str, str] = msgspec.field(default_factory=dict)
    near: str = ""


class ChecksInState(ReadRequest, frozen=True, kw_only=True):
    """All checks in a state."""

    state: str
    meta: dict[str, str] = msgspec.field(default_factory=dict)
    near: str = ""


class HealthServiceNodes(ReadRequest, frozen=True, kw_only=True):
    """The instances of a service with their nodes and checks."""

    service: str
    lookup: Lookup = Lookup.SERVICE
    tags: tuple[str, ...] = ()
    meta: dict[str, str] = msgspec.field(default_factory=dict)
    near: str = ""


def node_checks(read: Read, request: NodeChecks, _server: ServerContext) -> list[HealthCheck]:
    """See NodeChecks."""
    return health.node_checks(read, request.node)


def service_checks(read: Read, request: ServiceChecks, _server: ServerContext) -> list[HealthCheck]:
    """See ServiceChecks."""
    found = health.service_checks(read, request.service, request.meta)
    return sort_near(read, request.near, found, lambda check: check.node)


def in_state(read: Read, request: ChecksInState, _server: ServerContext) -> list[HealthCheck]:
    """See ChecksInState."""
    found = health.checks_in_state(read, request.state, request.meta)
    return sort_near(read, request.near, found, lambda check: check.node)


def service_nodes(
    read: Read, request: HealthServiceNodes, _server: ServerContext
) -> list[CheckServiceNode]:
    """See HealthServiceNodes."""
    match request.lookup:
        case Lookup.SERVICE:
            query = health.service_nodes
        case Lookup.CONNECT:
            query = health.connect_nodes
        case Lookup.INGRESS:
            query = gateway.ingress_nodes
    found = query(read, request.service, request.tags, request.meta)
    return sort_near(read, request.near, found, lambda row: row.node.node)
