"""/v1/session."""

import pytest

from tests.agent.harness import House

NO_SESSION = "00000000-0000-0000-0000-000000000000"


async def create(house: House, body: bytes = b"") -> str:
    answered = await house.ask("PUT", "/v1/session/create", body)
    assert answered.status == 200, answered.body
    return answered.json["ID"]


async def test_a_session_without_a_body_has_all_defaults(house: House):
    session_id = await create(house)

    (shown,) = (await house.ask("GET", f"/v1/session/info/{session_id}")).json
    index = shown["CreateIndex"]
    assert shown == {
        "ID": session_id,
        "Name": "",
        "Node": "node-a",
        "LockDelay": 15_000_000_000,
        "Behavior": "release",
        "TTL": "",
        "NodeChecks": ["serfHealth"],
        "ServiceChecks": None,
        "CreateIndex": index,
        "ModifyIndex": index,
    }


@pytest.mark.parametrize(
    ("given", "delay_ns"),
    [
        (b'"5s"', 5_000_000_000),
        (b"20", 20_000_000_000),
        (b"20000000000", 20_000_000_000),
        (b"null", 15_000_000_000),
        (b"0", 0),
    ],
)
async def test_a_lock_delay_is_seconds_or_a_duration(house: House, given, delay_ns):
    session_id = await create(house, b'{"LockDelay":' + given + b"}")

    (shown,) = (await house.ask("GET", f"/v1/session/info/{session_id}")).json
    assert shown["LockDelay"] == delay_ns


@pytest.mark.parametrize("given", [b"true", b'"x"', b"[]", b"1e400"])
async def test_a_bad_lock_delay_is_refused(house: House, given):
    answered = await house.ask("PUT", "/v1/session/create", b'{"LockDelay":' + given + b"}")

    assert answered.status == 400
    assert answered.body.startswith(b"Request decode failed: ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"TTL":"1s"}', b"Invalid Session TTL '1s', must be between [10s=24h]"),
        (b'{"TTL":"x"}', b"Request has an invalid Session TTL 'x'"),
        (b'{"Behavior":"x"}', b"Invalid Behavior setting 'x'"),
    ],
)
async def test_a_fault_is_refused_with_400(house: House, body, text):
    answered = await house.ask("PUT", "/v1/session/create", body)

    assert answered.status == 400
    assert answered.body.startswith(text)


async def test_sessions_are_listed_for_all_and_by_node(house: House):
    session_id = await create(house)

    for target in ("list", "node/node-a"):
        listed = (await house.ask("GET", f"/v1/session/{target}")).json
        assert [session["ID"] for session in listed] == [session_id]
    assert (await house.ask("GET", "/v1/session/node/none")).json == []


async def test_a_renewal_gives_the_session_and_starts_its_clock(house: House):
    session_id = await create(house, b'{"TTL":"10s"}')
    house.agent.server.timers.stop()

    renewed = await house.ask("PUT", f"/v1/session/renew/{session_id}")

    assert (renewed.json[0]["ID"], house.agent.server.timers.active) == (session_id, 1)


async def test_a_session_that_is_gone_cannot_be_renewed(house: House):
    answered = await house.ask("PUT", f"/v1/session/renew/{NO_SESSION}")

    assert (answered.status, answered.body.decode()) == (
        404,
        f"Session id '{NO_SESSION}' not found",
    )


async def test_destroying_twice_is_no_error(house: House):
    session_id = await create(house)
    for _ in range(2):
        assert (await house.ask("PUT", f"/v1/session/destroy/{session_id}")).json is True

    assert (await house.ask("GET", f"/v1/session/info/{session_id}")).json == []


@pytest.mark.parametrize("verb", ["destroy", "renew"])
async def test_an_id_is_required(house: House, verb):
    answered = await house.ask("PUT", f"/v1/session/{verb}/")

    assert (answered.status, answered.body) == (400, b"Missing session")
