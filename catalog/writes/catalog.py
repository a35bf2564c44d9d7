"""Writes of nodes, service instances and checks, with the indexes that blocking queries watch.

An element whose content is unchanged is not written and moves no index. A service's own index
moves with each of its instances, their checks, and the node-level checks of their nodes.
Source: Consul API, /v1/catalog/register and /deregister.
"""

from msgspec.structs import replace

from catalog.commands import Deregister, Register
from catalog.errors import Conflict, Invalid
from catalog.rows.check import CRITICAL, SERF_HEALTH, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import KIND_CONNECT_PROXY, NodeService, ServiceInstance
from catalog.tables import CHECKS, COORDINATES, NODES, SERVICES, SESSIONS
from catalog.writes import session as sessions
from catalog.writes.tx import Tx

LAST_EXTINCTION = "service_last_extinction"


def service_index(name: str) -> str:
    """The last-change index of one service."""
    return f"service.{name.lower()}"


def kind_index(kind: str) -> str:
    """The last-change index of all services of one kind."""
    return f"service_kind.{kind or 'typical'}"


def connect_index(name: str) -> str:
    """The last-change index of the proxies of one service."""
    return f"service_connect.{name.lower()}"


def register(tx: Tx, command: Register) -> bool:
    """Store a node, then its service, then its checks."""
    existing = tx.store.get(NODES, command.node.node.lower())
    kept = existing if command.skip_node_update else None
    node = kept or put_node(tx, command.node)
    if command.service is not None:
        put_service(tx, node.node, command.service)
    for check in command.checks:
        _register_check(tx, node, check)
    return True


def _register_check(tx: Tx, node: Node, check: HealthCheck) -> None:
    if check.node and check.node.lower() != node.node.lower():
        raise Invalid(f'check node "{check.node}" does not match node "{node.node}"')
    try:
        put_check(tx, replace(check, node=node.node))
    except Invalid as error:
        raise Invalid(f"failed inserting check: {error}") from None


# Nodes.


def put_node(tx: Tx, node: Node) -> Node:
    """Store a node. The same id under a new name renames it, keeping all that is on it."""
    before = tx.store.get(NODES, node.node.lower())
    if node.id:
        known = tx.store.find(NODES, "id", node.id)
        renamed = bool(known) and known[0].node.lower() != node.node.lower()
        # Whoever registered a node without an id may give it one, but not another node's.
        if before is not None and before.id != node.id and (before.id or renamed):
            _refuse_living(tx, node, before)
        if renamed:
            before = _rename(tx, known[0], node)
    elif before is not None and before.id:
        # A registration that names no id says nothing about it.
        node = replace(node, id=before.id)
    row = replace(
        node,
        create_index=before.create_index if before else tx.index,
        modify_index=before.modify_index if before else tx.index,
    )
    if before == row:
        return before
    row = replace(row, modify_index=tx.index)
    tx.store.put(NODES, row)
    tx.changed("nodes")
    touch_services_of_node(tx, row.node)
    return row


def _refuse_living(tx: Tx, node: Node, holder: Node) -> None:
    alive = tx.store.get(CHECKS, (holder.node.lower(), SERF_HEALTH))
    if alive is not None and alive.status != CRITICAL:
        raise Conflict(
            f'failed inserting node: Error while renaming Node ID: "{node.id}" '
            f"({node.address}): Node name {node.node} is reserved by node {holder.id} "
            f"with name {holder.node} ({holder.address})"
        )


def _rename(tx: Tx, old: Node, new: Node) -> Node:
    """Move everything from the old name to the new one; the row to compare with afterwards."""
    taken = tx.store.get(NODES, new.node.lower())
    if taken is not None:
        delete_node(tx, taken.node)
    tx.store.delete(NODES, old.node.lower())
    key = old.node.lower()
    for instance in tx.store.find(SERVICES, "node", key):
        tx.store.delete(SERVICES, (key, instance.service.id))
        tx.store.put(SERVICES, replace(instance, node=new.node))
        tx.changed("services")
    for check in tx.store.find(CHECKS, "node", key):
        tx.store.delete(CHECKS, (key, check.check_id))
        tx.store.put(CHECKS, replace(check, node=new.node, modify_index=tx.index))
        tx.changed("checks")
    for session in tx.store.find(SESSIONS, "node", key):
        tx.store.put(SESSIONS, replace(session, node=new.node, modify_index=tx.index))
        tx.changed("sessions")
    for coordinate in tx.store.find(COORDINATES, "node", key):
        tx.store.delete(COORDINATES, (key, coordinate.segment))
        tx.store.put(COORDINATES, replace(coordinate, node=new.node, modify_index=tx.index))
        tx.changed("coordinates")
    return old


def delete_node(tx: Tx, name: str) -> None:
    """Remove a node and all that is on it; an unknown name is no change."""
    key = name.lower()
    if tx.store.get(NODES, key) is None:
        return
    for instance in tx.store.find(SERVICES, "node", key):
        delete_service(tx, key, instance.service.id)
    for check in tx.store.find(CHECKS, "node", key):
        delete_check(tx, key, check.check_id)
    for coordinate in tx.store.find(COORDINATES, "node", key):
        tx.store.delete(COORDINATES, (key, coordinate.segment))
        tx.changed("coordinates")
    tx.store.delete(NODES, key)
    tx.changed("nodes")
    sessions.end_for_node(tx, key)


def touch_services_of_node(tx: Tx, name: str) -> None:
    """Move the index of every service that has an instance on a node."""
    for instance in tx.store.find(SERVICES, "node", name.lower()):
        _touch(tx, instance.service)


def _touch(tx: Tx, service: NodeService) -> None:
    tx.changed(service_index(service.service), kind_index(service.kind))
    if name := _proxied(service):
        tx.changed(connect_index(name))


def _proxied(service: NodeService) -> str:
    """The service that a proxy stands before; empty for what is none."""
    is_proxy = service.kind == KIND_CONNECT_PROXY
    return service.proxy.destination_service_name.lower() if is_proxy else ""


# Service instances.


def put_service(tx: Tx, node_name: str, service: NodeService) -> NodeService:
    """Store an instance on a known node."""
    if tx.store.get(NODES, node_name.lower()) is None:
        raise Invalid("Missing node registration")
    before = tx.store.get(SERVICES, (node_name.lower(), service.id))
    row = service
    if before is not None:
        row = replace(
            service,
            create_index=before.service.create_index,
            modify_index=before.service.modify_index,
        )
        if row == before.service:
            return row
        if before.service.service.lower() != service.service.lower():
            # The instance changes its service: the old one loses it.
            tx.store.delete(SERVICES, (node_name.lower(), service.id))
            _forget_service(tx, before.service)
        else:
            if before.service.kind != service.kind:
                tx.changed(kind_index(before.service.kind))
            if _proxied(before.service) != _proxied(service):
                tx.store.delete(SERVICES, (node_name.lower(), service.id))
                _forget_proxy(tx, before.service)
    row = replace(row, create_index=row.create_index if before else tx.index, modify_index=tx.index)
    tx.store.put(SERVICES, ServiceInstance(node=node_name, service=row))
    tx.changed("services")
    _touch(tx, row)
    return row


def delete_service(tx: Tx, node_name: str, service_id: str) -> None:
    """Remove an instance and its checks; an unknown one is no change."""
    key = node_name.lower()
    instance = tx.store.get(SERVICES, (key, service_id))
    if instance is None:
        return
    for check in tx.store.find(CHECKS, "instance", (key, service_id)):
        delete_check(tx, key, check.check_id)
    tx.store.delete(SERVICES, (key, service_id))
    tx.changed("services")
    _forget_service(tx, instance.service)


def _forget_service(tx: Tx, service: NodeService) -> None:
    tx.changed(kind_index(service.kind))
    _forget_proxy(tx, service)
    if tx.store.has(SERVICES, "service", service.service.lower()):
        tx.changed(service_index(service.service))
    else:
        tx.store.drop_index(service_index(service.service))
        tx.changed(LAST_EXTINCTION)


def _forget_proxy(tx: Tx, service: NodeService) -> None:
    """A service has one proxy less; the last one takes the index with it."""
    name = _proxied(service)
    if not name:
        return
    if tx.store.has(SERVICES, "connect", name):
        tx.changed(connect_index(name))
    else:
        tx.store.drop_index(connect_index(name))
        tx.changed(LAST_EXTINCTION)


# Checks.


def put_check(tx: Tx, check: HealthCheck) -> HealthCheck:
    """Store a check of a known node or instance; a critical one ends its sessions."""
    key = check.node.lower()
    node = tx.store.get(NODES, key)
    if node is None:
        raise Invalid("Missing node registration")
    before = tx.store.get(CHECKS, (key, check.check_id))
    row = replace(check, node=node.node, status=check.status or CRITICAL)
    if check.service_id:
        instance = tx.store.get(SERVICES, (key, check.service_id))
        if instance is None:
            raise Invalid(f'Missing service registration on node "{check.node}"')
        row = replace(
            row, service_name=instance.service.service, service_tags=instance.service.tags
        )
    row = replace(
        row,
        create_index=before.create_index if before else tx.index,
        modify_index=before.modify_index if before else tx.index,
    )
    if row.status == CRITICAL:
        sessions.end_for_check(tx, key, check.check_id)
    if row == before:
        return row
    row = replace(row, modify_index=tx.index)
    tx.store.put(CHECKS, row)
    tx.changed("checks")
    _touch_checked(tx, row)
    if before is not None and before.service_id != row.service_id:
        _touch_checked(tx, before)
    return row


def _touch_checked(tx: Tx, check: HealthCheck) -> None:
    """Move the indexes of the services that a check bears on."""
    if not check.service_id:
        touch_services_of_node(tx, check.node)
        return
    instance = tx.store.get(SERVICES, (check.node.lower(), check.service_id))
    assert instance is not None, "a check outlived its instance"
    _touch(tx, instance.service)


def delete_check(tx: Tx, node_name: str, check_id: str) -> None:
    """Remove a check and end the sessions bound to it; an unknown one is no change."""
    key = node_name.lower()
    check = tx.store.delete(CHECKS, (key, check_id))
    if check is None:
        return
    tx.changed("checks")
    _touch_checked(tx, check)
    sessions.end_for_check(tx, key, check_id)


def deregister(tx: Tx, command: Deregister) -> bool:
    """Remove one service, else one check, else the whole node."""
    if command.service_id:
        delete_service(tx, command.node, command.service_id)
    elif command.check_id:
        delete_check(tx, command.node, command.check_id)
    else:
        delete_node(tx, command.node)
    return True
