from typing import Any

import pytest

from catalog.commands import (
    CheckOperation,
    KvOperation,
    NodeOperation,
    Operation,
    ServiceOperation,
    SessionOperation,
    Transaction,
)
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.rows.session import Session
from catalog.tables import CHECKS, NODES, SERVICES
from catalog.transactions import TxnRefused
from catalog.writes import transaction
from tests.catalog.replica import Replica, check, contents, service

ID = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def full(replica: Replica) -> Replica:
    """A node with id, service and check, a session holding key l, and key k of index 3."""
    replica.register("n", check("c", service_id="web"), service=service("web"), id=ID)
    replica.begin("s")
    replica.put("k", b"v")
    replica.kv("lock", "l", session="s")
    return replica


def run(replica: Replica, *operations: Operation) -> Any:
    return replica.apply(Transaction(operations=operations))


def kv(verb: str, key: str = "k", **fields: Any) -> KvOperation:
    return KvOperation(verb=verb, key=key, **fields)


def node(verb: str, name: str = "n", **fields: Any) -> NodeOperation:
    return NodeOperation(verb=verb, node=Node(node=name, **fields))


def instance(verb: str, service_id: str = "web", on: str = "n", **fields: Any) -> ServiceOperation:
    return ServiceOperation(
        verb=verb, node=on, service=NodeService(id=service_id, service=service_id, **fields)
    )


def health(verb: str, check_id: str = "c", on: str = "n", **fields: Any) -> CheckOperation:
    return CheckOperation(verb=verb, check=check(check_id, node=on, **fields))


def texts(result: object) -> list[tuple[int, str]]:
    assert isinstance(result, TxnRefused)
    return [(error.op_index, error.what) for error in result.errors]


# The whole.


def test_operations_see_what_earlier_ones_did(replica: Replica) -> None:
    results = run(replica, kv("set", "a", value=b"1"), kv("get", "a"), kv("delete", "a"))

    assert [result.kv.value for result in results] == [b"", b"1"]
    assert replica.pair("a") is None


def test_refusal_undoes_all_and_every_fault_is_told(full: Replica) -> None:
    before = contents(full.store)

    result = run(full, kv("set", "a"), kv("get", "x"), kv("cas", "k", index=9), kv("set", "b"))

    assert texts(result) == [
        (1, 'key "x" doesn\'t exist'),
        (2, 'failed to set key "k", index is stale'),
    ]
    assert str(result) == "transaction refused"
    assert before == contents(full.store)


# Keys.


@pytest.mark.parametrize(
    "operation",
    [
        kv("set"),
        kv("cas", index=3),
        kv("cas", "new", index=0),
        kv("lock", session="s"),
        kv("lock", "l", session="s"),
        kv("unlock", "l", session="s"),
        kv("check-index", index=3),
        kv("check-session", "l", session="s"),
    ],
)
def test_key_is_shown_without_its_value(full: Replica, operation: KvOperation) -> None:
    (result,) = run(full, operation)

    assert (operation.key, b"") == (result.kv.key, result.kv.value)


@pytest.mark.parametrize(
    "operation",
    [kv("delete"), kv("delete-tree", ""), kv("delete-cas", index=3), kv("delete-cas", "gone")],
)
def test_deletion_shows_nothing(full: Replica, operation: KvOperation) -> None:
    assert run(full, operation) == ()


READS = [
    (kv("get"), ["k"]),
    (kv("get-tree", ""), ["k", "l"]),
    (kv("get-tree", "x"), []),
    (kv("get-or-empty", "x"), ["x"]),
    (kv("get-or-empty"), ["k"]),
    (kv("check-not-exists", "x"), []),
    (kv("check-index", index=3), ["k"]),
    (kv("check-session", "l", session="s"), ["l"]),
]


@pytest.mark.parametrize(("operation", "keys"), READS)
def test_read_verb_shows_the_same_in_and_out_of_the_log(
    full: Replica, operation: KvOperation, keys: list[str]
) -> None:
    through_log = run(full, operation)

    assert keys == [result.kv.key for result in through_log]
    assert through_log == transaction.read(full.store, (operation,))


KV_REFUSALS = [
    (kv("get", "x"), 'key "x" doesn\'t exist'),
    (kv("check-index", "x"), 'key "x" doesn\'t exist'),
    (kv("check-session", "x"), 'key "x" doesn\'t exist'),
    (kv("check-not-exists"), 'key "k" exists'),
    (kv("check-index", index=9), 'failed index check for key "k", current modify index 3 != 9'),
    (
        kv("check-session", session="t"),
        'failed session check for key "k", current session "" != "t"',
    ),
    (kv("explode"), 'unknown KV verb "explode"'),
]


@pytest.mark.parametrize(("operation", "reason"), KV_REFUSALS)
def test_read_verb_is_refused_the_same_in_and_out_of_the_log(
    full: Replica, operation: KvOperation, reason: str
) -> None:
    with pytest.raises(TxnRefused) as refusal:
        transaction.read(full.store, (operation,))

    assert texts(refusal.value) == [(0, reason)]
    assert texts(run(full, operation)) == [(0, reason)]


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (kv("cas", index=9), 'failed to set key "k", index is stale'),
        (kv("delete-cas", index=9), 'failed to delete key "k", index is stale'),
        (kv("lock", "l", session="t"), 'failed to lock key "l", lock is already held'),
        (kv("lock", session="gone"), 'invalid session "gone"'),
        (
            kv("unlock", session="s"),
            'failed to unlock key "k", lock isn\'t held, or is held by another session',
        ),
    ],
)
def test_write_verb_is_refused_with_its_reason(
    full: Replica, operation: KvOperation, reason: str
) -> None:
    full.begin("t")

    assert texts(run(full, operation)) == [(0, reason)]


# Nodes, service instances and checks.

CAS_REFUSALS = [
    (node("cas", modify_index=9), 'failed to set node "n", index is stale'),
    (node("delete-cas", modify_index=9), 'failed to delete node "n", index is stale'),
    (node("explode"), 'unknown Node verb "explode"'),
    (instance("cas", modify_index=9), 'failed to set service "web" on node "n", index is stale'),
    (
        instance("delete-cas", modify_index=9),
        'failed to delete service "web" on node "n", index is stale',
    ),
    (instance("explode"), 'unknown Service verb "explode"'),
    (instance("set", on="nobody"), "Missing node registration"),
    (health("cas", modify_index=9), 'failed to set check "c" on node "n", index is stale'),
    (
        health("delete-cas", modify_index=9),
        'failed to delete check "c" on node "n", index is stale',
    ),
    (health("explode"), 'unknown Check verb "explode"'),
    (health("set", on="nobody"), "Missing node registration"),
    (health("set", service_id="x"), 'Missing service registration on node "n"'),
    (SessionOperation(verb="get", session=Session(id="s")), 'unknown Session verb "get"'),
]


@pytest.mark.parametrize(("operation", "reason"), CAS_REFUSALS)
def test_operation_is_refused_with_its_reason(
    full: Replica, operation: Operation, reason: str
) -> None:
    before = contents(full.store)

    assert texts(run(full, operation)) == [(0, reason)]

    assert before == contents(full.store)


GETS = [
    (node("get"), "node", 'node "x" doesn\'t exist', node("get", "x")),
    (node("get", "any", id=ID), "node", 'node "x" doesn\'t exist', node("get", "x", id="other")),
    (
        instance("get"),
        "service",
        'service "x" on node "n" doesn\'t exist',
        instance("get", "x"),
    ),
    (health("get"), "check", 'check "x" on node "n" doesn\'t exist', health("get", "x")),
]


@pytest.mark.parametrize(("found", "field", "reason", "missing"), GETS)
def test_get_is_the_same_in_and_out_of_the_log(
    full: Replica, found: Operation, field: str, reason: str, missing: Operation
) -> None:
    (result,) = run(full, found)

    assert getattr(result, field) is not None
    assert (result,) == transaction.read(full.store, (found,))
    assert texts(run(full, missing)) == [(0, reason)]
    with pytest.raises(TxnRefused) as refusal:
        transaction.read(full.store, (missing,))
    assert texts(refusal.value) == [(0, reason)]


def test_session_is_not_read(full: Replica) -> None:
    with pytest.raises(TxnRefused) as refusal:
        transaction.read(full.store, (SessionOperation(verb="get", session=Session(id="s")),))

    assert texts(refusal.value) == [(0, 'unknown Session verb "get"')]


@pytest.mark.parametrize("verb", ["set", "cas"])
def test_node_is_set_and_shown_with_its_indexes(full: Replica, verb: str) -> None:
    current = 1 if verb == "cas" else 0

    (result,) = run(full, node(verb, address="10.0.0.9", modify_index=current))

    assert ("10.0.0.9", 1, full.index) == (
        result.node.address,
        result.node.create_index,
        result.node.modify_index,
    )
    assert result.node == full.store.get(NODES, "n")


@pytest.mark.parametrize("verb", ["set", "cas"])
def test_instance_is_set_and_shown_with_its_indexes(full: Replica, verb: str) -> None:
    current = 1 if verb == "cas" else 0

    (result,) = run(full, instance(verb, port=80, modify_index=current))

    assert (80, 1, full.index) == (
        result.service.port,
        result.service.create_index,
        result.service.modify_index,
    )
    assert result.service == full.store.get(SERVICES, ("n", "web")).service


@pytest.mark.parametrize("verb", ["set", "cas"])
def test_check_is_set_and_shown_with_its_indexes(full: Replica, verb: str) -> None:
    current = 1 if verb == "cas" else 0

    (result,) = run(full, health(verb, output="o", service_id="web", modify_index=current))

    assert ("o", 1, full.index) == (
        result.check.output,
        result.check.create_index,
        result.check.modify_index,
    )
    assert result.check == full.store.get(CHECKS, ("n", "c"))


def test_cas_zero_creates_what_is_absent(full: Replica) -> None:
    results = run(full, node("cas", "m"), instance("cas", "db", on="m"), health("cas", "d", on="m"))

    assert [full.index] * 3 == [
        results[0].node.create_index,
        results[1].service.create_index,
        results[2].check.create_index,
    ]


@pytest.mark.parametrize(
    ("operation", "left"),
    [
        (health("delete"), (1, 1, 0)),
        (health("delete-cas", modify_index=1), (1, 1, 0)),
        (instance("delete"), (1, 0, 0)),
        (instance("delete-cas", modify_index=1), (1, 0, 0)),
        (node("delete"), (0, 0, 0)),
        (node("delete", "any", id=ID), (0, 0, 0)),
        (node("delete-cas", modify_index=1), (0, 0, 0)),
        (node("delete", "nobody"), (1, 1, 1)),
    ],
)
def test_deletion_takes_what_depends_on_it(
    full: Replica, operation: Operation, left: tuple[int, int, int]
) -> None:
    assert run(full, operation) == ()

    assert left == tuple(full.store.count(table) for table in (NODES, SERVICES, CHECKS))


def test_session_is_ended_within_a_transaction(full: Replica) -> None:
    assert run(full, SessionOperation(verb="delete", session=Session(id="s"))) == ()

    assert full.sessions() == []
    assert full.pair("l").session == ""
