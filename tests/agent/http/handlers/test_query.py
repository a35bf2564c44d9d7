"""/v1/query."""

import json

import pytest

from tests.agent.harness import Answered, House


async def create(house: House, **body: object) -> Answered:
    return await house.ask("POST", "/v1/query", json.dumps(body).encode())


@pytest.fixture
async def query_id(house: House) -> str:
    for node in ("n1", "n2"):
        body = {"Node": node, "Address": "10.0.0.1", "Service": {"Service": "web"}}
        await house.ask("PUT", "/v1/catalog/register", json.dumps(body).encode())
    made = await create(house, Name="q", Service={"Service": "web"}, DNS={"TTL": "5s"})
    return made.json["ID"]


async def test_a_query_is_run_by_name_and_by_id(house: House, query_id):
    for name in ("q", query_id):
        outcome = (await house.ask("GET", f"/v1/query/{name}/execute")).json
        assert (outcome["Service"], outcome["Datacenter"]) == ("web", "dc1")
        assert (len(outcome["Nodes"]), outcome["DNS"]["TTL"]) == (2, "5s")
        assert (outcome["Failovers"], outcome["KnownLeader"]) == (0, True)


async def test_a_limit_bounds_the_instances(house: House, query_id):
    outcome = (await house.ask("GET", f"/v1/query/{query_id}/execute?limit=1")).json

    assert len(outcome["Nodes"]) == 1


async def test_a_bad_limit_is_refused(house: House, query_id):
    answered = await house.ask("GET", f"/v1/query/{query_id}/execute?limit=x")

    assert (answered.status, answered.body) == (
        500,
        b'Bad limit: strconv.Atoi: parsing "x": invalid syntax',
    )


async def test_a_query_can_be_read_replaced_and_removed(house: House, query_id):
    (shown,) = (await house.ask("GET", f"/v1/query/{query_id}")).json
    assert (shown["ID"], shown["Name"]) == (query_id, "q")

    body = json.dumps({"Name": "r", "Service": {"Service": "web"}}).encode()
    assert (await house.ask("PUT", f"/v1/query/{query_id}", body)).status == 200
    assert [query["Name"] for query in (await house.ask("GET", "/v1/query")).json] == ["r"]

    assert (await house.ask("DELETE", f"/v1/query/{query_id}")).status == 200
    assert (await house.ask("GET", "/v1/query")).json == []


@pytest.mark.parametrize("target", ["none/execute", "none/explain"])
async def test_an_unknown_query_is_not_found(house: House, target):
    answered = await house.ask("GET", f"/v1/query/{target}")

    assert (answered.status, answered.body) == (404, b"Query not found")


async def test_an_id_must_be_empty_when_creating(house: House):
    answered = await create(house, ID="x", Service={"Service": "web"})

    assert answered.status == 500
    assert answered.body == b"ID must be empty when creating a new prepared query"


async def test_a_template_explains_what_it_would_run(house: House):
    template = {"Type": "name_prefix_match", "Regexp": "^geo-(.*)$"}
    made = await create(house, Name="geo-", Template=template, Service={"Service": "${match(1)}"})
    assert made.status == 200, made.body

    explained = (await house.ask("GET", "/v1/query/geo-web/explain")).json

    assert explained["Query"]["Service"]["Service"] == "web"
    by_id = await house.ask("GET", f"/v1/query/{made.json['ID']}/execute")
    assert by_id.status == 500
    assert by_id.body.startswith(b"prepared query templates can only be resolved up by name")


async def test_near_the_asking_address_puts_its_node_first(house: House, query_id):
    for node, place in (("n1", 0.0), ("n2", 1.0)):
        body = {"Node": node, "Coord": {"Vec": [place] + [0.0] * 7}}
        await house.ask("PUT", "/v1/coordinate/update", json.dumps(body).encode())

    for near, expected in (("n1", ["n1", "n2"]), ("n2", ["n2", "n1"])):
        outcome = await house.ask("GET", f"/v1/query/{query_id}/execute?near={near}")
        assert [row["Node"]["Node"] for row in outcome.json["Nodes"]] == expected
