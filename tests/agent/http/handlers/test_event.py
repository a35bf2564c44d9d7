"""/v1/event."""

import asyncio

import pytest

from tests.agent.harness import House, request, until, within


async def fire(house: House, name: str, query: str = "", body: bytes = b"") -> dict:
    answered = await house.ask("PUT", f"/v1/event/fire/{name}{query}", body)
    assert answered.status == 200, answered.body
    return answered.json


async def test_a_fired_event_is_shown_and_listed(house: House):
    fired = await fire(house, "deploy", "?node=^node", b"v1")

    assert fired == {
        "ID": fired["ID"],
        "Name": "deploy",
        "Payload": "djE=",
        "NodeFilter": "^node",
        "ServiceFilter": "",
        "TagFilter": "",
        "Version": 1,
        "LTime": 0,
    }
    (listed,) = (await house.ask("GET", "/v1/event/list")).json
    assert (listed["ID"], listed["LTime"] > 0) == (fired["ID"], True)


async def test_events_are_listed_by_name(house: House):
    for name in ("a", "b"):
        await fire(house, name)

    assert [e["Name"] for e in (await house.ask("GET", "/v1/event/list?name=b")).json] == ["b"]
    assert (await house.ask("GET", "/v1/event/list?name=c")).json == []


async def test_an_event_for_others_is_not_listed(house: House):
    await fire(house, "a", "?node=other")

    assert (await house.ask("GET", "/v1/event/list")).json == []


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("", 400, b"Missing name"),
        ("a?dc=dc2", 500, b"No path to datacenter"),
        ("a?tag=x", 500, b"Cannot provide tag filter without service filter"),
    ],
)
async def test_a_fault_is_refused_and_named(house: House, target, status, text):
    answered = await house.ask("PUT", f"/v1/event/fire/{target}")

    assert (answered.status, answered.body) == (status, text)


async def test_a_reader_waits_for_the_next_event_of_its_name(house: House):
    await fire(house, "a")
    index = (await house.ask("GET", "/v1/event/list?name=a")).headers["x-consul-index"]
    raw = await house.connect()
    await raw.send(request("GET", f"/v1/event/list?name=a&index={index}&wait=60s"))
    await until(lambda: house.agent.services.events._waiting)

    await fire(house, "other")
    await asyncio.sleep(0.01)
    assert not raw.reader._buffer
    await fire(house, "a")

    assert len((await within(raw.answer())).json) == 2


async def test_a_reader_with_another_index_is_answered_at_once(house: House):
    await fire(house, "a")

    assert len((await house.ask("GET", "/v1/event/list?index=5&wait=60s")).json) == 1


async def test_a_reader_whose_time_is_up_gets_the_same_index(house: House):
    first = await house.ask("GET", "/v1/event/list?name=a")
    index = first.headers["x-consul-index"]
    again = await house.ask("GET", f"/v1/event/list?name=a&index={index}&wait=10ms")

    assert (again.json, again.headers["x-consul-index"]) == ([], index)
    assert house.agent.services.events._waiting == []


async def test_a_reader_that_leaves_is_forgotten(house: House):
    raw = await house.connect()
    await raw.send(request("GET", "/v1/event/list?name=a&index=1&wait=60s"))
    await until(lambda: house.agent.services.events._waiting)
    raw.close()

    await until(lambda: not house.agent.services.events._waiting, timeout_s=2.0)
