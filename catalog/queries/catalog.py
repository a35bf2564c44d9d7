"""Reads of nodes and service instances. Source: Consul API, /v1/catalog.

Index rules: a list of a service that exists moves with that service only; one of a service that
does not exist moves with the last extinction of any service, or else with the whole catalog.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from catalog.queries.terminating import gateway_instances
from catalog.read import Read
from catalog.rows.node import Node
from catalog.rows.service import (
    KIND_TERMINATING_GATEWAY,
    ServiceInstance,
    ServiceNode,
)
from catalog.store import Store
from catalog.tables import NODES, SERVICES
from catalog.writes.catalog import (
    LAST_EXTINCTION,
    connect_index,
    kind_index,
    service_index,
)

NODE_ID_PREFIX_MIN: Final = 2  # characters that a node id must at least be given with


def depend_on_service(read: Read, name: str, tables: Iterable[str]) -> None:
    """Set the read's index for a list of one service's instances."""
    exists = read.store.has(SERVICES, "service", name.lower())
    if exists:
        read.depend(service_index(name))
        return
    # Watch the service's own index: it comes into being with the first instance.
    read.depend(service_index(name))
    if not read.depend(LAST_EXTINCTION):
        read.at_least(read.store.last_index(*tables))


def depend_on_connect(read: Read, name: str, found: Iterable[ServiceInstance]) -> None:
    """Set the read's index for a list of what serves a service with mutual TLS.

    Proxies of other services do not matter: in a mesh every host waits for some of these lists.
    """
    servers = dict.fromkeys(service_index(instance.service.service) for instance in found)
    servers[service_index(name)] = None
    read.depend(*servers, connect_index(name), kind_index(KIND_TERMINATING_GATEWAY))
    exists = (read.store.has(SERVICES, by, name.lower()) for by in ("service", "connect"))
    if not all(exists):
        # The last native instance takes the service's own index with it, the last proxy its own.
        read.depend(LAST_EXTINCTION)
    if not read.index:
        read.at_least(read.store.last_index("nodes", "services", LAST_EXTINCTION))


def find_node(store: Store, name: str) -> Node | None:
    """A node by its name, else by a prefix of its id that no other node shares."""
    node = store.get(NODES, name.lower())
    if node is not None:
        return node
    prefix = name.lower()
    if len(prefix) < NODE_ID_PREFIX_MIN or not set(prefix) <= set("0123456789abcdef-"):
        return None
    found = [node for node in store.all(NODES) if node.id.startswith(prefix)]
    return found[0] if len(found) == 1 else None


def nodes(read: Read, meta: Mapping[str, str]) -> list[Node]:
    """All nodes that carry the metadata."""
    read.depend("nodes")
    return [node for node in read.store.all(NODES) if carries(node.meta, meta)]


def carries(meta: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Whether metadata has all the wanted pairs."""
    if not wanted:
        return True
    return meta is not None and all(meta.get(key) == value for key, value in wanted.items())


def has_tags(tags: tuple[str, ...] | None, wanted: Iterable[str]) -> bool:
    """Whether all wanted tags are among the tags, without regard to case."""
    have = {tag.lower() for tag in tags or ()}
    return all(tag.lower() in have for tag in wanted)


def services(read: Read, meta: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Every service's name with the distinct tags of its instances."""
    read.depend("services")
    if meta:
        read.depend("nodes")
    tags: dict[str, dict[str, None]] = {}
    for instance in read.store.all(SERVICES):
        if meta and not carries(node_of(read.store, instance).meta, meta):
            continue
        seen = tags.setdefault(instance.service.service, {})
        seen.update(dict.fromkeys(instance.service.tags or ()))
    return {name: tuple(seen) for name, seen in sorted(tags.items())}


def node_of(store: Store, instance: ServiceInstance) -> Node:
    """The node that an instance is on."""
    node = store.get(NODES, instance.node.lower())
    assert node is not None, "an instance outlived its node"
    return node


def instances(read: Read, name: str) -> list[ServiceInstance]:
    """The instances of a service, by node name and service id."""
    depend_on_service(read, name, ("nodes", "services"))
    return read.store.find(SERVICES, "service", name.lower())


def connect_instances(read: Read, name: str) -> list[ServiceInstance]:
    """What serves a service with mutual TLS: its proxies and its native instances."""
    found = [
        *gateway_instances(read.store, name),
        *read.store.find(SERVICES, "connect", name.lower()),
    ]
    depend_on_connect(read, name, found)
    return found


def service_nodes(
    read: Read, found: Iterable[ServiceInstance], tags: Iterable[str], meta: Mapping[str, str]
) -> list[ServiceNode]:
    """Instances joined with their nodes, those with all tags and node metadata."""
    wanted = tuple(tags)
    joined = []
    for instance in found:
        node = node_of(read.store, instance)
        if has_tags(instance.service.tags, wanted) and carries(node.meta, meta):
            joined.append(_join(node, instance))
    return joined


def _join(node: Node, instance: ServiceInstance) -> ServiceNode:
    service = instance.service
    return ServiceNode(
        id=node.id,
        node=node.node,
        address=node.address,
        datacenter=node.datacenter,
        tagged_addresses=node.tagged_addresses,
        node_meta=node.meta,
        service_kind=service.kind,
        service_id=service.id,
        service_name=service.service,
        service_tags=service.tags or (),
        service_address=service.address,
        service_tagged_addresses=service.tagged_addresses,
        service_weights=service.weights,
        service_meta=service.meta or {},
        service_port=service.port,
        service_enable_tag_override=service.enable_tag_override,
        service_proxy=service.proxy,
        service_connect=service.connect,
        create_index=service.create_index,
        modify_index=service.modify_index,
    )


def node_services(read: Read, name: str) -> tuple[Node, list[ServiceInstance]] | None:
    """A node and the instances on it; None for an unknown node."""
    read.depend("nodes", "services")
    node = find_node(read.store, name)
    if node is None:
        return None
    found = read.store.find(SERVICES, "node", node.node.lower())
    return node, [
        replace(row, service=replace(row.service, tags=row.service.tags or ())) for row in found
    ]
