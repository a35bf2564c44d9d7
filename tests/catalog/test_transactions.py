import pytest

from catalog.commands import CheckOperation, KvOperation, NodeOperation, Operation, ServiceOperation
from catalog.errors import CatalogError
from catalog.rows.check import HealthCheck
from catalog.rows.kv import KeyValue
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.shape import to_json
from catalog.transactions import TxnError, TxnRefused, TxnResult, changes_nothing


def kv(verb: str) -> KvOperation:
    return KvOperation(verb=verb, key="k")


def node(verb: str) -> NodeOperation:
    return NodeOperation(verb=verb, node=Node(node="n"))


def service(verb: str) -> ServiceOperation:
    return ServiceOperation(verb=verb, node="n", service=NodeService(id="s"))


def health(verb: str) -> CheckOperation:
    return CheckOperation(verb=verb, check=HealthCheck(node="n", check_id="c"))


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ((), True),
        ((kv("get"), kv("get-tree"), kv("check-index")), True),
        ((kv("explode"),), True),
        ((kv("get"), kv("set")), False),
        ((node("get"), service("get"), health("get")), True),
        ((node("explode"),), False),
        ((health("set"),), False),
    ],
)
def test_only_reads_stay_out_of_the_log(operations: tuple[Operation, ...], expected: bool) -> None:
    assert expected == changes_nothing(operations)


def test_refusal_carries_the_fault_of_each_operation() -> None:
    faults = (TxnError(op_index=2, what="why"),)

    refusal = TxnRefused(faults)

    assert isinstance(refusal, CatalogError)
    assert faults == refusal.errors
    assert to_json(list(refusal.errors)) == [{"OpIndex": 2, "What": "why"}]


def test_result_shows_only_what_its_operation_was_on() -> None:
    assert list(to_json(TxnResult(kv=KeyValue(key="k")))) == ["KV"]
    assert list(to_json(TxnResult(check=HealthCheck()))) == ["Check"]
