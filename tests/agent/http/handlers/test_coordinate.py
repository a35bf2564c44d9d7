"""/v1/coordinate."""

import json

import pytest

from tests.agent.harness import Answered, House, open_house


async def update(house: House, node: str, *vector: float) -> Answered:
    body = json.dumps({"Node": node, "Coord": {"Vec": list(vector)}}).encode()
    return await house.ask("PUT", "/v1/coordinate/update", body)


async def test_a_nodes_coordinate_is_shown(house: House):
    assert (await update(house, "node-a", 1.0, *[0.0] * 7)).status == 200

    for target in ("node/node-a", "nodes"):
        (shown,) = (await house.ask("GET", f"/v1/coordinate/{target}")).json
        assert (shown["Node"], shown["Coord"]["Vec"][0]) == ("node-a", 1.0)


async def test_a_coordinate_of_other_dimensions_is_refused(house: House):
    answered = await update(house, "node-a", 1.0)

    assert (answered.status, answered.body) == (500, b"incompatible coordinate")


async def test_a_node_without_coordinate_is_not_found(house: House):
    assert (await house.ask("GET", "/v1/coordinate/node/none")).status == 404


async def test_the_servers_of_each_datacenter_are_shown(house: House):
    (shown,) = (await house.ask("GET", "/v1/coordinate/datacenters")).json

    assert (shown["Datacenter"], shown["AreaID"], len(shown["Coordinates"])) == ("dc1", "wan", 1)


@pytest.mark.parametrize("target", ["datacenters", "nodes", "node/node-a"])
async def test_nothing_is_shown_when_coordinates_are_off(target):
    async with open_house("-hcl", "disable_coordinates = true") as house:
        answered = await house.ask("GET", f"/v1/coordinate/{target}")

    assert (answered.status, answered.body) == (401, b"Coordinate support disabled")
