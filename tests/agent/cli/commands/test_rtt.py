"""Claims about rtt. Source: surface.md §1.9."""

import pytest

from agent.cli.commands.rtt import distance_s


def coordinate(x, *, height=0.00001, adjustment=0.0):
    return {"Vec": [x] + [0.0] * 7, "Error": 1.5, "Height": height, "Adjustment": adjustment}


def test_distance_adds_heights_and_adjustments():
    a = coordinate(0.0, height=0.001, adjustment=0.0005)
    b = coordinate(0.003, height=0.002, adjustment=-0.001)

    assert distance_s(a, b) == pytest.approx(0.0055)


def test_adjustment_that_would_make_it_negative_is_ignored():
    a = coordinate(0.0, height=0.001, adjustment=-1.0)

    assert distance_s(a, a) == pytest.approx(0.002)


def test_one_name_is_compared_with_this_agents_node(agent, cli):
    agent.say("GET", "/v1/agent/self", {"Config": {"NodeName": "devn", "Datacenter": "dc1"}})
    agent.say("GET", "/v1/coordinate/nodes", [{"Node": "devn", "Coord": coordinate(0.0)}])

    assert cli("rtt", "devn").out == (
        "Estimated devn <-> devn rtt: 0.020 ms (using LAN coordinates)\n"
    )
    result = cli("rtt", "devn", "other")
    assert (result.code, result.err) == (1, 'Could not find a coordinate for node "other"\n')


def test_wan_names_carry_the_datacenter(agent, cli):
    nodes = [{"Node": "a", "Coord": coordinate(0.0)}, {"Node": "b", "Coord": coordinate(0.0006)}]
    agent.say("GET", "/v1/coordinate/datacenters", [{"Datacenter": "dc1", "Coordinates": nodes}])

    assert cli("rtt", "-wan", "a.dc1", "b.dc1").out == (
        "Estimated a.dc1 <-> b.dc1 rtt: 0.620 ms (using WAN coordinates)\n"
    )
