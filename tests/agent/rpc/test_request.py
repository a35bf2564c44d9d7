"""Requests and replies as values that cross the wire."""

import msgspec

from agent.rpc.request import Consistency, NoLeader, NoPathToDatacenter, Reply
from agent.rpc.table import ENDPOINTS


def test_every_request_survives_the_wire():
    for endpoint in ENDPOINTS:
        kind = endpoint.request
        required = [field for field in msgspec.structs.fields(kind) if field.required]
        if not required:
            request = kind(datacenter="dc2", token="t")
            sent = msgspec.msgpack.encode(request)
            assert msgspec.msgpack.decode(sent, type=kind) == request


def test_texts_are_the_ones_that_clients_match_on():
    assert str(NoPathToDatacenter()) == "No path to datacenter"
    assert str(NoLeader()) == "No cluster leader"


def test_an_answers_index_is_1_when_nothing_is_known():
    assert (Reply(value=None).index, Reply(value=None).known_leader) == (1, True)


def test_consistency_has_the_names_of_the_api():
    assert [str(mode) for mode in Consistency] == ["default", "consistent", "stale"]
