"""/v1/txn. Source: Consul API, transactions."""

from typing import Any, Final

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import DecodeFault, decode_value, parse_json
from agent.http.params import write_options
from agent.rpc.endpoints.txn import TxnApply, TxnRead
from catalog.commands import (
    CheckOperation,
    KvOperation,
    NodeOperation,
    Operation,
    ServiceOperation,
    SessionOperation,
)
from catalog.rows.check import HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.rows.session import Session
from catalog.schema import Row
from catalog.shape import to_json
from catalog.transactions import TxnRefused, changes_nothing

OPERATIONS_MAX: Final = 64  # Consul's documented limit
_PREFIX: Final = "Failed to parse body: "


class _Kv(Row, frozen=True, kw_only=True):
    verb: str = ""
    key: str = ""
    value: bytes = b""
    flags: int = 0
    index: int = 0
    session: str = ""


class _Node(Row, frozen=True, kw_only=True):
    verb: str = ""
    node: Node = Node(node="")


class _Service(Row, frozen=True, kw_only=True):
    verb: str = ""
    node: str = ""
    service: NodeService = NodeService()


class _Check(Row, frozen=True, kw_only=True):
    verb: str = ""
    check: HealthCheck = HealthCheck()


class _Session(Row, frozen=True, kw_only=True):
    verb: str = ""
    session: Session = Session(id="")


_KINDS: Final[dict[str, tuple[type[Row], type]]] = {
    "kv": (_Kv, KvOperation),
    "node": (_Node, NodeOperation),
    "service": (_Service, ServiceOperation),
    "check": (_Check, CheckOperation),
    "session": (_Session, SessionOperation),
}


async def run(call: Call) -> Answer:
    """Carry out a transaction; one that only reads takes the read path."""
    operations = _decode(call)
    options = write_options(call)
    if not changes_nothing(operations):
        try:
            reply = await call.front.router.call(TxnApply(operations=operations, **options))
        except TxnRefused as refused:
            return Answer(status=409, json={"Results": None, "Errors": refused.errors})
        return Answer(json={"Results": _shown(reply.value), "Errors": None})
    read = await call.front.router.call(TxnRead(operations=operations, **options))
    results, errors = read.value
    return Answer(
        status=200 if errors is None else 409,
        json={
            "Results": None if results is None else _shown(results),
            "Errors": errors,
            "Index": 0,
            "LastContact": read.last_contact_ms,
            "KnownLeader": read.known_leader,
            "ConsistencyLevel": "",
            "NotModified": False,
        },
        headers={
            "X-Consul-KnownLeader": "true" if read.known_leader else "false",
            "X-Consul-LastContact": str(read.last_contact_ms),
        },
    )


def _shown(results: Any) -> list[Any]:
    return [to_json(result) for result in results]


def _decode(call: Call) -> tuple[Operation, ...]:
    try:
        value = parse_json(call.body)
        if value is not None and not isinstance(value, list):
            raise DecodeFault("json: cannot unmarshal object into Go value of type api.TxnOps")
        items = value or []
        if len(items) > OPERATIONS_MAX:
            raise HttpError(
                413,
                f"Transaction contains too many operations ({len(items)} > {OPERATIONS_MAX})",
            )
        decoded = (_operation(item) for item in items)
        operations = tuple(operation for operation in decoded if operation is not None)
    except DecodeFault as fault:
        raise HttpError(400, f"{_PREFIX}{fault}") from None
    for operation in operations:
        if isinstance(operation, KvOperation):
            _check_size(call, operation)
    return operations


def _operation(item: Any) -> Operation | None:
    if not isinstance(item, dict):
        raise DecodeFault("json: cannot unmarshal value into Go value of type api.TxnOp")
    for name, value in item.items():
        kind = _KINDS.get(name.lower())
        if kind is None or value is None:
            continue
        row, operation = kind
        decoded = decode_value(value, row, strict=False)
        made: Operation = operation(
            **{field: getattr(decoded, field) for field in row.__struct_fields__}
        )
        return made
    return None


def _check_size(call: Call, operation: KvOperation) -> None:
    value_bytes_max = call.front.kv_value_bytes_max
    if len(operation.value) > value_bytes_max:
        raise HttpError(
            413,
            f'Value for key "{operation.key}" is too large '
            f"({len(operation.value)} > {value_bytes_max} bytes)",
        )
