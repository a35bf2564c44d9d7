"""Transactions, before they are proposed."""

import pytest

from agent.rpc.endpoints.txn import TxnApply, TxnRead, apply, read
from catalog.commands import (
    CheckOperation,
    KvOperation,
    KvVerb,
    NodeOperation,
    ServiceOperation,
    Transaction,
)
from catalog.read import Read
from catalog.rows.check import HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.transactions import TxnError, TxnRefused
from tests.agent.rpc.endpoints.server import NEW_UUID, make_server


def kv(verb: KvVerb, key: str = "k") -> KvOperation:
    return KvOperation(verb=verb, key=key, value=b"", session=NEW_UUID)


def test_operations_get_what_registrations_get():
    proposed = apply(
        make_server(),
        TxnApply(
            operations=(
                kv(KvVerb.SET),
                NodeOperation(verb="set", node=Node(id=NEW_UUID.upper(), node="n")),
                ServiceOperation(verb="set", node="n", service=NodeService(service="web")),
                CheckOperation(verb="set", check=HealthCheck(node="n", name="c")),
            )
        ),
    )

    assert isinstance(proposed, Transaction)
    _, node, service, check = proposed.operations
    assert (node.node.id, node.node.datacenter) == (NEW_UUID, "dc1")
    assert (service.service.id, check.check.check_id) == ("web", "c")


def test_every_refusal_is_reported_with_its_place():
    server = make_server()
    server.timers.delayed.add("locked")
    operations = (kv(KvVerb.SET, ""), kv(KvVerb.SET), kv(KvVerb.LOCK, "locked"))

    with pytest.raises(TxnRefused) as caught:
        apply(server, TxnApply(operations=operations))

    assert caught.value.errors == (
        TxnError(op_index=0, what="Must provide key"),
        TxnError(op_index=2, what='failed to lock key "locked" due to lock delay'),
    )


def test_a_read_gives_results_or_errors():
    server = make_server()
    tree = TxnRead(operations=(kv(KvVerb.GET_TREE, ""),))
    absent = TxnRead(operations=(kv(KvVerb.GET),))

    assert read(Read(server.store), tree, server) == ((), None)
    results, errors = read(Read(server.store), absent, server)
    assert (results, [error.op_index for error in errors]) == (None, [0])
