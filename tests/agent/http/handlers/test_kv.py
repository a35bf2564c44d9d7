"""/v1/kv. Texts and shapes of Consul 1.9.8."""

import pytest

from tests.agent.harness import House


@pytest.fixture
async def full(house: House) -> House:
    for key in ("a/1", "a/2/x", "a/2/y", "b"):
        await house.ask("PUT", f"/v1/kv/{key}", key.encode())
    return house


async def test_a_pair_is_shown_with_its_value_in_base_64(house: House):
    await house.ask("PUT", "/v1/kv/k?flags=42", b"v")

    (pair,) = (await house.ask("GET", "/v1/kv/k")).json
    index = pair["ModifyIndex"]
    assert pair == {
        "LockIndex": 0,
        "Key": "k",
        "Flags": 42,
        "Value": "dg==",
        "CreateIndex": index,
        "ModifyIndex": index,
    }


async def test_an_empty_value_is_null(house: House):
    await house.ask("PUT", "/v1/kv/k")

    assert (await house.ask("GET", "/v1/kv/k")).json[0]["Value"] is None


async def test_a_raw_value_cannot_run_in_a_browser(full: House):
    answered = await full.ask("GET", "/v1/kv/b?raw")

    assert (answered.body, answered.headers["content-type"]) == (b"b", "text/plain")
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert answered.headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("keys", ["a/1", "a/2/x", "a/2/y"]),
        ("keys&separator=/", ["a/1", "a/2/"]),
        ("keys&seperator=/", ["a/1", "a/2/"]),
    ],
)
async def test_keys_are_listed_and_cut_at_the_separator(full: House, query, keys):
    assert (await full.ask("GET", f"/v1/kv/a/?{query}")).json == keys


async def test_pairs_under_a_prefix_are_listed(full: House):
    found = (await full.ask("GET", "/v1/kv/a/2?recurse")).json

    assert [pair["Key"] for pair in found] == ["a/2/x", "a/2/y"]


async def test_nothing_found_is_an_empty_404_with_an_index(full: House):
    for target in ("none", "none?recurse", "none?keys", "none?raw"):
        answered = await full.ask("GET", f"/v1/kv/{target}")
        assert (answered.status, answered.body) == (404, b"")
        assert int(answered.headers["x-consul-index"]) >= 1


async def test_cas_0_creates_only_when_absent(house: House):
    bodies = [(await house.ask("PUT", "/v1/kv/k?cas=0", b"v")).json for _ in range(2)]

    assert bodies == [True, False]


async def test_a_delete_at_an_index_holds_only_for_that_index(full: House):
    index = (await full.ask("GET", "/v1/kv/b")).json[0]["ModifyIndex"]

    assert (await full.ask("DELETE", f"/v1/kv/b?cas={index - 1}")).json is False
    assert (await full.ask("DELETE", f"/v1/kv/b?cas={index}")).json is True
    assert (await full.ask("GET", "/v1/kv/b")).status == 404


async def test_a_tree_is_deleted_at_once(full: House):
    assert (await full.ask("DELETE", "/v1/kv/a/?recurse")).json is True
    assert (await full.ask("GET", "/v1/kv/?keys")).json == ["b"]


@pytest.mark.parametrize(
    ("method", "target", "status", "text"),
    [
        ("GET", "", 400, "Missing key name"),
        ("PUT", "", 400, "Missing key name"),
        ("DELETE", "", 400, "Missing key name"),
        ("PUT", "k?cas=1&acquire=x", 400, "Conflicting flags: acquire=x&cas=1"),
        ("DELETE", "k?cas=1&recurse", 400, "Conflicting flags: cas=1&recurse="),
        (
            "PUT",
            "k?flags=-1",
            400,
            'Invalid flags: strconv.ParseUint: parsing "-1": invalid syntax',
        ),
    ],
)
async def test_a_fault_is_refused_and_named(house: House, method, target, status, text):
    answered = await house.ask(method, f"/v1/kv/{target}", b"v")

    assert (answered.status, answered.body.decode()) == (status, text)


async def test_a_value_over_the_limit_is_refused_in_the_fast_lane_too(house: House):
    house.change_settings(kv_value_bytes_max=3)

    answered = await house.ask("PUT", "/v1/kv/k", b"1234")

    assert answered.status == 413
    assert answered.body.startswith(b"Request body(4 bytes) too large, max size: 3 bytes.")


async def test_a_lock_is_held_by_one_session(house: House):
    first, second = [
        (await house.ask("PUT", "/v1/session/create", b"{}")).json["ID"] for _ in range(2)
    ]

    assert (await house.ask("PUT", f"/v1/kv/k?acquire={first}", b"1")).json is True
    assert (await house.ask("PUT", f"/v1/kv/k?acquire={second}", b"2")).json is False
    assert (await house.ask("PUT", f"/v1/kv/k?release={second}", b"2")).json is False
    assert (await house.ask("GET", "/v1/kv/k")).json[0]["Session"] == first
    assert (await house.ask("PUT", f"/v1/kv/k?release={first}", b"1")).json is True


async def test_a_lock_lost_with_its_session_stays_closed_for_the_delay(house: House):
    first, second = [
        (await house.ask("PUT", "/v1/session/create", b"{}")).json["ID"] for _ in range(2)
    ]
    await house.ask("PUT", f"/v1/kv/k?acquire={first}", b"1")
    await house.ask("PUT", f"/v1/session/destroy/{first}")

    assert (await house.ask("PUT", f"/v1/kv/k?acquire={second}", b"2")).json is False
    assert house.agent.server.timers.lock_delayed("k")
    house.agent.server.timers._delayed_until_s.clear()
    assert (await house.ask("PUT", f"/v1/kv/k?acquire={second}", b"2")).json is True
