"""/v1/txn."""

import json

import pytest

from agent.http.handlers.txn import OPERATIONS_MAX
from tests.agent.harness import Answered, House


async def run(house: House, *operations: dict) -> Answered:
    return await house.ask("PUT", "/v1/txn", json.dumps(operations).encode())


def kv(verb: str, key: str, **fields) -> dict:
    return {"KV": {"Verb": verb, "Key": key, **fields}}


async def test_operations_happen_together(house: House):
    answered = await run(house, kv("set", "a", Value="MQ=="), kv("get", "a"))

    assert answered.status == 200
    assert answered.json["Errors"] is None
    assert [result["KV"]["Value"] for result in answered.json["Results"]] == [None, "MQ=="]


async def test_one_refusal_undoes_all_and_names_its_operation(house: House):
    answered = await run(house, kv("set", "a", Value="MQ=="), kv("cas", "b", Index=7))

    assert answered.status == 409
    assert answered.json["Results"] is None
    assert [error["OpIndex"] for error in answered.json["Errors"]] == [1]
    assert (await house.ask("GET", "/v1/kv/a")).status == 404


async def test_reads_alone_take_the_read_path(house: House):
    await house.ask("PUT", "/v1/kv/a", b"1")
    before = house.agent.server.driver.last_index
    answered = await run(house, kv("get", "a"), kv("get-tree", ""))

    assert answered.status == 200
    assert answered.json["KnownLeader"] is True
    assert len(answered.json["Results"]) == 2
    assert house.agent.server.driver.last_index == before


async def test_a_read_of_an_absent_key_is_a_conflict(house: House):
    answered = await run(house, kv("get", "none"))

    assert answered.status == 409
    assert answered.json["Errors"] == [{"OpIndex": 0, "What": 'key "none" doesn\'t exist'}]


async def test_nodes_services_and_checks_are_operations_too(house: House):
    answered = await run(
        house,
        {"Node": {"Verb": "set", "Node": {"Node": "n1", "Address": "10.0.0.1"}}},
        {"Service": {"Verb": "set", "Node": "n1", "Service": {"Service": "web"}}},
        {"Check": {"Verb": "set", "Check": {"Node": "n1", "Name": "c"}}},
    )

    assert answered.status == 200, answered.body
    results = answered.json["Results"]
    assert results[1]["Service"]["ID"] == "web"
    assert (results[2]["Check"]["CheckID"], results[2]["Check"]["Status"]) == ("c", "critical")


async def test_a_session_can_be_ended(house: House):
    session_id = (await house.ask("PUT", "/v1/session/create")).json["ID"]
    answered = await run(house, {"Session": {"Verb": "delete", "Session": {"ID": session_id}}})

    assert answered.status == 200
    assert (await house.ask("GET", "/v1/session/list")).json == []


async def test_as_many_operations_as_allowed_are_taken(house: House):
    operations = [kv("set", f"k{number}") for number in range(OPERATIONS_MAX + 1)]

    assert (await run(house, *operations[1:])).status == 200
    refused = await run(house, *operations)
    assert (refused.status, refused.body) == (
        413,
        b"Transaction contains too many operations (65 > 64)",
    )


async def test_a_value_over_the_limit_is_refused_by_key(house: House):
    house.change_settings(kv_value_bytes_max=2)
    answered = await run(house, kv("set", "k", Value="MTIz"))

    assert answered.status == 413
    assert answered.body == b'Value for key "k" is too large (3 > 2 bytes)'


@pytest.mark.parametrize("body", [b"{", b"{}", b"[1]", b'[{"KV":{"Verb":1}}]'])
async def test_a_body_that_is_no_transaction_is_refused(house: House, body):
    answered = await house.ask("PUT", "/v1/txn", body)

    assert answered.status == 400
    assert answered.body.startswith(b"Failed to parse body: ")


@pytest.mark.parametrize("body", [b"[]", b"null", b'[{"Unknown":{}}]'])
async def test_no_operation_is_no_error(house: House, body):
    assert (await house.ask("PUT", "/v1/txn", body)).status == 200
