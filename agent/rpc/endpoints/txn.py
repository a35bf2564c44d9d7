"""Transactions. Source: Consul API, /v1/txn."""

from msgspec.structs import replace

from agent.rpc.endpoints.catalog import check_defaults, node_defaults, service_defaults
from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import Done, ServerContext
from catalog.commands import (
    CheckOperation,
    Command,
    KvOperation,
    KvVerb,
    NodeOperation,
    Operation,
    ServiceOperation,
    Transaction,
)
from catalog.errors import CatalogError
from catalog.queries.kv import KV_INDEXES
from catalog.read import Read
from catalog.transactions import TxnError, TxnRefused, TxnResult
from catalog.writes import transaction


class TxnApply(WriteRequest, frozen=True, kw_only=True):
    """Operations with at least one write; the reply is their results."""

    operations: tuple[Operation, ...]


class TxnRead(ReadRequest, frozen=True, kw_only=True):
    """Operations that change nothing; the reply is (results, errors)."""

    operations: tuple[Operation, ...]


def apply(server: ServerContext, request: TxnApply) -> Command | Done:
    """Check every operation and fill in what the agent endpoints would."""
    prepared: list[Operation] = []
    errors: list[TxnError] = []
    for position, operation in enumerate(request.operations):
        try:
            prepared.append(_prepare(server, operation))
        except CatalogError as error:
            errors.append(TxnError(op_index=position, what=str(error)))
    if errors:
        raise TxnRefused(tuple(errors))
    return Transaction(operations=tuple(prepared))


def _prepare(server: ServerContext, operation: Operation) -> Operation:
    match operation:
        case KvOperation():
            if not operation.key and operation.verb not in {
                KvVerb.GET_TREE,
                KvVerb.DELETE_TREE,
            }:
                raise CatalogError("Must provide key")
            if operation.verb == KvVerb.LOCK and server.timers.lock_delayed(operation.key):
                raise CatalogError(f'failed to lock key "{operation.key}" due to lock delay')
            return operation
        case NodeOperation() if operation.verb != "get":
            return replace(operation, node=node_defaults(server, operation.node))
        case ServiceOperation() if operation.verb != "get":
            return replace(operation, service=service_defaults(operation.service))
        case CheckOperation() if operation.verb != "get":
            return replace(operation, check=check_defaults(operation.check))
        case _:
            return operation


def read(
    read: Read, request: TxnRead, _server: ServerContext
) -> tuple[tuple[TxnResult, ...] | None, tuple[TxnError, ...] | None]:
    """See TxnRead."""
    read.depend(*KV_INDEXES)
    try:
        return transaction.read(read.store, request.operations), None
    except TxnRefused as refused:
        return None, refused.errors
