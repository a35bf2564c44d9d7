"""Requests and replies by the endpoint table."""

import msgspec
import pytest

from agent.rpc.codec import (
    BY_NAME,
    BadBody,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
)
from agent.rpc.endpoints.health import HealthServiceNodes, Lookup
from agent.rpc.endpoints.txn import TxnApply
from agent.rpc.request import Consistency, Reply
from agent.rpc.table import ENDPOINTS, reply_type
from catalog.commands import KvOperation, KvVerb, NodeOperation
from catalog.rows.check import CheckServiceNode, HealthCheck
from catalog.rows.config_entry import ServiceDefaults
from catalog.rows.kv import KeyValue
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.transactions import TxnResult

NODE = Node(node="n1", address="10.0.0.1", meta={"a": "b"})


def test_every_endpoint_has_a_codec_of_its_own_name():
    assert {endpoint.name for endpoint in ENDPOINTS} == set(BY_NAME)
    assert len(ENDPOINTS) == len(BY_NAME)


def test_no_reply_type_loses_what_it_carries():
    for endpoint in ENDPOINTS:
        shown = str(msgspec.json.schema(reply_type(endpoint)))
        assert shown != "{}", f"{endpoint.name}: a value of any type comes back without its class"


@pytest.mark.parametrize(
    "request_",
    [
        HealthServiceNodes(
            service="web",
            lookup=Lookup.CONNECT,
            tags=("a", "b"),
            min_index=9,
            wait_ns=5,
            consistency=Consistency.STALE,
            filter="x == 1",
            token="t",
        ),
        TxnApply(
            operations=(
                KvOperation(verb=KvVerb.SET, key="a", value=b"\xff"),
                NodeOperation(verb="set", node=NODE),
            )
        ),
    ],
)
def test_a_request_comes_back_as_the_same_value(request_):
    name, body = encode_request(request_)

    assert request_ == decode_request(BY_NAME[name], body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KVS.Apply", True),
        ("KVS.Get", None),
        ("KVS.Get", KeyValue(key="a", value=b"\x00", modify_index=3)),
        ("Txn.Apply", (TxnResult(kv=KeyValue(key="a")), TxnResult(node=NODE))),
        ("Catalog.ListServices", {"web": ("a", "b")}),
        (
            "Health.ServiceNodes",
            [
                CheckServiceNode(
                    node=NODE,
                    service=NodeService(id="web", service="web", port=80),
                    checks=(HealthCheck(node="n1", check_id="c", name="c"),),
                )
            ],
        ),
        ("ConfigEntry.Get", ServiceDefaults(name="web", protocol="http")),
        ("Intention.Match", {"web": None}),
        ("Intention.Apply", "some-id"),
    ],
)
def test_a_reply_comes_back_as_the_same_value(name: str, value: object):
    reply = Reply(value=value, index=7, last_contact_ms=3, known_leader=False)

    again = decode_reply(BY_NAME[name], encode_reply(reply))

    assert reply == again
    assert type(value) is type(again.value)


def test_bytes_that_are_no_body_are_refused():
    with pytest.raises(BadBody):
        decode_request(BY_NAME["KVS.Get"], b"\x80")
    with pytest.raises(BadBody):
        decode_reply(BY_NAME["KVS.Get"], b"\x81")


def test_bodies_that_a_newer_agent_makes_longer_are_still_read():
    body = msgspec.msgpack.encode({"key": "a", "from_the_future": 1})

    assert decode_request(BY_NAME["KVS.Get"], body).key == "a"
