"""What a transaction says of its operations, for those who ask and those who carry it out.

Source: Consul API, /v1/txn.
"""

from typing import Final

from catalog.commands import KvOperation, Operation
from catalog.errors import CatalogError
from catalog.rows.check import HealthCheck
from catalog.rows.kv import KeyValue
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.schema import Omit, Row

_KV_WRITE_VERBS: Final = {"set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"}


class TxnError(Row, frozen=True, kw_only=True):
    """Why the operation at ``op_index`` (from 0) was refused."""

    op_index: int
    what: str


class TxnResult(Row, frozen=True, kw_only=True):
    """What one operation shows: exactly one field is set."""

    kv: Omit[KeyValue | None] = None
    node: Omit[Node | None] = None
    service: Omit[NodeService | None] = None
    check: Omit[HealthCheck | None] = None


class TxnRefused(CatalogError):
    """The transaction was undone; ``errors`` says why."""

    def __init__(self, errors: tuple[TxnError, ...]) -> None:
        super().__init__("transaction refused")
        self.errors = errors


def changes_nothing(operations: tuple[Operation, ...]) -> bool:
    """Whether no operation is a write; unknown verbs of keys count as reads, as in Consul."""
    return all(
        operation.verb not in _KV_WRITE_VERBS
        if isinstance(operation, KvOperation)
        else operation.verb == "get"
        for operation in operations
    )
