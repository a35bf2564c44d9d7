"""Transactions: operations that happen together or not at all. Source: Consul API, /v1/txn.

Every operation is attempted, so that all refusals are reported; any refusal undoes the whole.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from catalog.commands import (
    CheckOperation,
    KvOperation,
    NodeOperation,
    Operation,
    ServiceOperation,
    SessionOperation,
    Transaction,
)
from catalog.errors import CatalogError, Conflict, Invalid, NotFound
from catalog.rows.check import HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.store import Store
from catalog.tables import CHECKS, NODES, SERVICES
from catalog.transactions import TxnError, TxnRefused, TxnResult
from catalog.writes import catalog, kv, session
from catalog.writes.tx import Tx


def apply(tx: Tx, transaction: Transaction) -> tuple[TxnResult, ...]:
    """Carry out all operations. Raises TxnRefused if any is refused."""
    return _attempt_all(transaction.operations, lambda operation: _run(tx, operation))


def read(store: Store, operations: tuple[Operation, ...]) -> tuple[TxnResult, ...]:
    """Carry out operations that change nothing, without the log. Raises TxnRefused."""
    return _attempt_all(operations, lambda operation: _read(store, operation))


def _attempt_all(
    operations: Iterable[Operation], attempt: Callable[[Operation], list[TxnResult]]
) -> tuple[TxnResult, ...]:
    results: list[TxnResult] = []
    errors: list[TxnError] = []
    for position, operation in enumerate(operations):
        try:
            results += attempt(operation)
        except CatalogError as error:
            errors.append(TxnError(op_index=position, what=str(error)))
    if errors:
        raise TxnRefused(tuple(errors))
    return tuple(results)


def _run(tx: Tx, operation: Operation) -> list[TxnResult]:
    match operation:
        case KvOperation():
            return [TxnResult(kv=pair) for pair in kv.run_in_transaction(tx, operation)]
        case NodeOperation():
            return _node(tx, operation)
        case ServiceOperation():
            return _service(tx, operation)
        case CheckOperation():
            return _check(tx, operation)
        case SessionOperation():
            if operation.verb != "delete":
                raise Invalid(f'unknown Session verb "{operation.verb}"')
            session.destroy(tx, operation.session.id)
            return []


def _read(store: Store, operation: Operation) -> list[TxnResult]:
    match operation:
        case KvOperation():
            return [TxnResult(kv=pair) for pair in kv.read_in_transaction(store, operation)]
        case NodeOperation():
            return [TxnResult(node=_get_node(store, operation))]
        case ServiceOperation():
            return [TxnResult(service=_get_service(store, operation))]
        case CheckOperation():
            return [TxnResult(check=_get_check(store, operation))]
        case SessionOperation():
            raise Invalid(f'unknown Session verb "{operation.verb}"')


# Nodes.


def _find_node(store: Store, node: Node) -> Node | None:
    if node.id:
        known = store.find(NODES, "id", node.id)
        if known:
            return known[0]
    return store.get(NODES, node.node.lower())


def _get_node(store: Store, operation: NodeOperation) -> Node:
    node = _find_node(store, operation.node)
    if node is None:
        raise NotFound(f'node "{operation.node.node}" doesn\'t exist')
    return node


def _node(tx: Tx, operation: NodeOperation) -> list[TxnResult]:
    node = operation.node
    existing = _find_node(tx.store, node)
    current = existing.modify_index if existing else 0
    match operation.verb:
        case "get":
            return [TxnResult(node=_get_node(tx.store, operation))]
        case "set" | "cas":
            if operation.verb == "cas" and current != node.modify_index:
                raise Conflict(f'failed to set node "{node.node}", index is stale')
            return [TxnResult(node=catalog.put_node(tx, replace(node, modify_index=0)))]
        case "delete" | "delete-cas":
            if operation.verb == "delete-cas" and current != node.modify_index:
                raise Conflict(f'failed to delete node "{node.node}", index is stale')
            catalog.delete_node(tx, existing.node if existing else node.node)
            return []
        case verb:
            raise Invalid(f'unknown Node verb "{verb}"')


# Service instances.


def _get_service(store: Store, operation: ServiceOperation) -> NodeService:
    instance = store.get(SERVICES, (operation.node.lower(), operation.service.id))
    if instance is None:
        raise NotFound(
            f'service "{operation.service.id}" on node "{operation.node}" doesn\'t exist'
        )
    return instance.service


def _service(tx: Tx, operation: ServiceOperation) -> list[TxnResult]:
    service = operation.service
    existing = tx.store.get(SERVICES, (operation.node.lower(), service.id))
    current = existing.service.modify_index if existing else 0
    where = f'service "{service.id}" on node "{operation.node}", index is stale'
    match operation.verb:
        case "get":
            return [TxnResult(service=_get_service(tx.store, operation))]
        case "set" | "cas":
            if operation.verb == "cas" and current != service.modify_index:
                raise Conflict(f"failed to set {where}")
            return [TxnResult(service=catalog.put_service(tx, operation.node, service))]
        case "delete" | "delete-cas":
            if operation.verb == "delete-cas" and current != service.modify_index:
                raise Conflict(f"failed to delete {where}")
            catalog.delete_service(tx, operation.node, service.id)
            return []
        case verb:
            raise Invalid(f'unknown Service verb "{verb}"')


# Checks.


def _get_check(store: Store, operation: CheckOperation) -> HealthCheck:
    check = operation.check
    stored = store.get(CHECKS, (check.node.lower(), check.check_id))
    if stored is None:
        raise NotFound(f'check "{check.check_id}" on node "{check.node}" doesn\'t exist')
    return stored


def _check(tx: Tx, operation: CheckOperation) -> list[TxnResult]:
    check = operation.check
    existing = tx.store.get(CHECKS, (check.node.lower(), check.check_id))
    current = existing.modify_index if existing else 0
    where = f'check "{check.check_id}" on node "{check.node}", index is stale'
    match operation.verb:
        case "get":
            return [TxnResult(check=_get_check(tx.store, operation))]
        case "set" | "cas":
            if operation.verb == "cas" and current != check.modify_index:
                raise Conflict(f"failed to set {where}")
            return [TxnResult(check=catalog.put_check(tx, check))]
        case "delete" | "delete-cas":
            if operation.verb == "delete-cas" and current != check.modify_index:
                raise Conflict(f"failed to delete {where}")
            catalog.delete_check(tx, check.node, check.check_id)
            return []
        case verb:
            raise Invalid(f'unknown Check verb "{verb}"')
