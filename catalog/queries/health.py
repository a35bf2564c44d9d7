"""Reads of health checks and of instances with their checks. Source: Consul API, /v1/health."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from catalog.queries.catalog import (
    carries,
    connect_instances,
    depend_on_service,
    find_node,
    has_tags,
    node_of,
)
from catalog.read import Read
from catalog.rows.check import PASSING, STATUSES, CheckServiceNode, HealthCheck
from catalog.rows.service import ServiceInstance
from catalog.store import Store
from catalog.tables import CHECKS, NODES, SERVICES
from catalog.writes.catalog import kind_index

ANY = "any"


def node_checks(read: Read, name: str) -> list[HealthCheck]:
    """All checks of a node and of the instances on it."""
    read.depend("nodes", "checks")
    node = find_node(read.store, name)
    if node is None:
        return []
    return _show_tags(read.store.find(CHECKS, "node", node.node.lower()))


def service_checks(read: Read, service: str, meta: Mapping[str, str]) -> list[HealthCheck]:
    """The checks of a service's instances, without those of their nodes."""
    read.depend("checks")
    found = read.store.find(CHECKS, "service", service.lower()) if service else []
    return _of_nodes_with(read, found, meta)


def checks_in_state(read: Read, state: str, meta: Mapping[str, str]) -> list[HealthCheck]:
    """All checks in a state, or in any."""
    read.depend("checks")
    if state == ANY:
        return _of_nodes_with(read, read.store.all(CHECKS), meta)
    found = read.store.find(CHECKS, "status", state) if state in STATUSES else []
    return _of_nodes_with(read, found, meta)


def _of_nodes_with(
    read: Read, checks: list[HealthCheck], meta: Mapping[str, str]
) -> list[HealthCheck]:
    if meta:
        read.depend("nodes")
        checks = [check for check in checks if _node_carries(read.store, check.node, meta)]
    return _show_tags(checks)


def _node_carries(store: Store, name: str, meta: Mapping[str, str]) -> bool:
    node = store.get(NODES, name.lower())
    return node is not None and carries(node.meta, meta)


def _show_tags(checks: Iterable[HealthCheck]) -> list[HealthCheck]:
    return [_show(check) for check in checks]


def _show(check: HealthCheck) -> HealthCheck:
    return check if check.service_tags is not None else replace(check, service_tags=())


def service_nodes(
    read: Read, service: str, tags: Iterable[str], meta: Mapping[str, str]
) -> list[CheckServiceNode]:
    """The instances of a service with their nodes and checks."""
    depend_on_service(read, service, ("nodes", "services", "checks"))
    found = read.store.find(SERVICES, "service", service.lower())
    return join(read.store, found, tags, meta)


def connect_nodes(
    read: Read, service: str, tags: Iterable[str], meta: Mapping[str, str]
) -> list[CheckServiceNode]:
    """What serves a service with mutual TLS, with nodes and checks."""
    return join(read.store, connect_instances(read, service), tags, meta)


def kind_nodes(read: Read, kind: str) -> list[CheckServiceNode]:
    """The instances of a kind, such as all mesh gateways, with nodes and checks."""
    read.depend(kind_index(kind))
    return join(read.store, read.store.find(SERVICES, "kind", kind), (), {})


def join(
    store: Store,
    found: Iterable[ServiceInstance],
    tags: Iterable[str],
    meta: Mapping[str, str],
) -> list[CheckServiceNode]:
    """Instances with their nodes and checks, those with all tags and node metadata."""
    wanted = tuple(tags)
    joined = []
    for instance in found:
        node = node_of(store, instance)
        if not (has_tags(instance.service.tags, wanted) and carries(node.meta, meta)):
            continue
        service = instance.service
        if service.tags is None:
            service = replace(service, tags=())
        joined.append(
            CheckServiceNode(node=node, service=service, checks=checks_of(store, instance))
        )
    return joined


def checks_of(store: Store, instance: ServiceInstance) -> tuple[HealthCheck, ...]:
    """The checks that bear on an instance: its node's and its own."""
    key = instance.node.lower()
    return tuple(
        _show(check)
        for check in (
            *store.find(CHECKS, "instance", (key, "")),
            *store.find(CHECKS, "instance", (key, instance.service.id)),
        )
    )


def only_passing(rows: Iterable[CheckServiceNode]) -> list[CheckServiceNode]:
    """The instances all of whose checks pass."""
    return [row for row in rows if all(check.status == PASSING for check in row.checks)]
