"""/v1/config."""

import json

import pytest

from tests.agent.harness import Answered, House


async def apply(house: House, query: str = "", **body: object) -> Answered:
    return await house.ask("PUT", f"/v1/config{query}", json.dumps(body).encode())


async def test_an_entry_is_stored_shown_and_removed(house: House):
    assert (await apply(house, Kind="service-defaults", Name="web", Protocol="http")).json is True

    shown = (await house.ask("GET", "/v1/config/service-defaults/web")).json
    assert (shown["Kind"], shown["Name"], shown["Protocol"]) == ("service-defaults", "web", "http")
    assert len((await house.ask("GET", "/v1/config/service-defaults")).json) == 1
    assert (await house.ask("DELETE", "/v1/config/service-defaults/web")).json == {}
    assert (await house.ask("GET", "/v1/config/service-defaults/web")).status == 404


async def test_cas_0_creates_only_when_absent(house: House):
    outcomes = [
        (await apply(house, "?cas=0", Kind="service-defaults", Name="web")).json for _ in range(2)
    ]

    assert outcomes == [True, False]


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "text"),
    [
        ("GET", "/nothing", b"", 500, b"invalid config entry kind: nothing"),
        ("DELETE", "/service-defaults", b"", 404, b"Must provide both a kind and name to delete"),
        ("PUT", "?cas=x", b"{}", 500, b"Invalid cas: "),
        ("PUT", "", b"{", 400, b"Bad request: Request decoding failed: "),
        ("PUT", "", b'{"Kind":"x"}', 400, b"Bad request: Request decoding failed: "),
        (
            "GET",
            "/service-defaults/none",
            b"",
            404,
            b'Config entry not found for "service-defaults" / "none"',
        ),
    ],
)
async def test_a_fault_is_refused_and_named(house: House, method, target, body, status, text):
    answered = await house.ask(method, f"/v1/config{target}", body)

    assert (answered.status, answered.body[: len(text)]) == (status, text)


async def test_key_that_no_kind_has_is_named(house: House):
    answered = await apply(house, Kind="service-router", Name="web", Routes=[{"Nope": 1}])

    assert 400 == answered.status
    assert b'invalid config key "Routes[0].Nope"' in answered.body


async def test_mesh_is_found_by_its_only_name_and_list_takes_a_filter(house: House):
    assert (await apply(house, Kind="mesh", TLS={"Incoming": {}})).json is True
    await apply(house, Kind="service-defaults", Name="web", Protocol="http")
    await apply(house, Kind="service-defaults", Name="db")

    listed = await house.ask("GET", "/v1/config/service-defaults?filter=Protocol==http")

    assert (await house.ask("GET", "/v1/config/mesh/mesh")).json["Kind"] == "mesh"
    assert ["web"] == [entry["Name"] for entry in listed.json]


async def test_group_of_the_enterprise_edition_is_refused_with_the_reason(house: House):
    answered = await apply(house, Kind="sameness-group", Name="g")

    assert (500, b"sameness-groups are an enterprise-only feature") == (
        answered.status,
        answered.body,
    )
