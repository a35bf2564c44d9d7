"""/v1/catalog."""

import json

import pytest

from tests.agent.harness import Answered, House, request, until, within


async def register(house: House, **body: object) -> Answered:
    return await house.ask("PUT", "/v1/catalog/register", json.dumps(body).encode())


@pytest.fixture
async def full(house: House) -> House:
    web = {"ID": "web-1", "Service": "web", "Tags": ["a", "b"], "Port": 80}
    await register(house, Node="n1", Address="10.0.0.1", NodeMeta={"rack": "1"}, Service=web)
    await register(house, Node="n2", Address="10.0.0.2", Service={"Service": "web", "Tags": ["a"]})
    return house


async def test_nodes_are_listed_by_name_and_metadata(full: House):
    every = (await full.ask("GET", "/v1/catalog/nodes")).json
    some = (await full.ask("GET", "/v1/catalog/nodes?node-meta=rack:1")).json

    assert [node["Node"] for node in every] == ["n1", "n2", "node-a"]
    assert [node["Node"] for node in some] == ["n1"]
    assert some[0]["Datacenter"] == "dc1"


async def test_services_are_listed_with_the_tags_of_all_instances(full: House):
    services = (await full.ask("GET", "/v1/catalog/services")).json

    assert services["consul"] == []
    assert sorted(services["web"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "nodes"),
    [
        ("", ["n1", "n2"]),
        ("?tag=b", ["n1"]),
        ("?tag=a&tag=b", ["n1"]),
        ("?filter=ServicePort%20%3D%3D%2080", ["n1"]),
        ("?node-meta=rack:2", []),
    ],
)
async def test_instances_are_found_by_tag_filter_and_metadata(full: House, query, nodes):
    found = (await full.ask("GET", f"/v1/catalog/service/web{query}")).json

    assert [row["Node"] for row in found] == nodes


async def test_a_node_is_shown_with_its_services_by_id_or_in_a_list(full: House):
    by_id = (await full.ask("GET", "/v1/catalog/node/n1")).json
    listed = (await full.ask("GET", "/v1/catalog/node-services/n1")).json

    assert (by_id["Node"]["Node"], list(by_id["Services"])) == ("n1", ["web-1"])
    assert [service["ID"] for service in listed["Services"]] == ["web-1"]


async def test_an_unknown_node_is_null(house: House):
    assert (await house.ask("GET", "/v1/catalog/node/none")).json is None
    assert (await house.ask("GET", "/v1/catalog/node-services/none")).json == {
        "Node": None,
        "Services": None,
    }
    assert (await house.ask("GET", "/v1/catalog/gateway-services/none")).json is None


async def test_the_datacenters_are_this_one(house: House):
    answered = await house.ask("GET", "/v1/catalog/datacenters")

    assert (answered.json, "x-consul-index" in answered.headers) == (["dc1"], False)
    assert (await house.ask("GET", "/v1/catalog/datacenters?cached")).headers["x-cache"] == "MISS"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, b"Must provide node"),
        ({"Node": "n"}, b"Must provide address if SkipNodeUpdate is not set"),
        ({"Node": "n", "Address": "a", "ID": "x"}, b"Bad node ID: uuid string is wrong length"),
        (
            {"Node": "n", "Address": "a", "Service": {"ID": "x"}},
            b"Must provide service name with ID",
        ),
        ({"Node": "n", "Address": "a", "Datacenter": "dc2"}, b"No path to datacenter"),
    ],
)
async def test_a_registration_that_lacks_something_is_refused(house: House, body, text):
    answered = await register(house, **body)

    assert (answered.status, answered.body) == (500, text)


async def test_what_is_registered_can_be_removed_in_parts(full: House):
    async def deregister(**body: str) -> bool:
        data = json.dumps(body).encode()
        return (await full.ask("PUT", "/v1/catalog/deregister", data)).json

    assert await deregister(Node="n1", ServiceID="web-1") is True
    assert (await full.ask("GET", "/v1/catalog/node/n1")).json["Services"] == {}
    assert await deregister(Node="n1") is True
    assert (await full.ask("GET", "/v1/catalog/node/n1")).json is None


async def test_a_reader_of_a_service_waits_for_its_change_only(full: House):
    index = (await full.ask("GET", "/v1/catalog/service/web")).headers["x-consul-index"]
    raw = await full.connect()
    await raw.send(request("GET", f"/v1/catalog/service/web?index={index}&wait=60s"))
    await until(lambda: full.agent.router.blocked_count)

    await register(full, Node="n3", Address="10.0.0.3", Service={"Service": "other"})
    assert full.agent.router.blocked_count == 1
    await register(full, Node="n3", Address="10.0.0.3", Service={"Service": "web"})

    assert len((await within(raw.answer())).json) == 3


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("service/", b"Missing service name"),
        ("connect/", b"Missing service name"),
        ("node/", b"Missing node name"),
        ("node-services/", b"Missing node name"),
        ("gateway-services/", b"Missing gateway name"),
    ],
)
async def test_a_name_is_required(house: House, target, text):
    answered = await house.ask("GET", f"/v1/catalog/{target}")

    assert (answered.status, answered.body) == (400, text)
