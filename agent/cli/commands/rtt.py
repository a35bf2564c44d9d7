"""``rtt``: the round trip time between two nodes, estimated from their network coordinates."""

import math
from typing import Any, Final

from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import say

_MILLISECONDS: Final = 1000.0

Coordinate = dict[str, Any]


def rtt(call: Call) -> int:
    """``rtt NODE1 [NODE2]``."""
    call.expect_arguments(1, 2, "One or two node names must be specified")
    first = call.arguments[0]
    with explaining("Error getting coordinates"):
        second = call.arguments[1] if len(call.arguments) > 1 else _own_name(call)
        coordinates = _wan(call) if call.switch("wan") else _lan(call)
    found = [_coordinate(coordinates, name) for name in (first, second)]
    kind = "WAN" if call.switch("wan") else "LAN"
    milliseconds = distance_s(found[0], found[1]) * _MILLISECONDS
    say(f"Estimated {first} <-> {second} rtt: {milliseconds:.3f} ms (using {kind} coordinates)")
    return 0


def distance_s(a: Coordinate, b: Coordinate) -> float:
    """Seconds of a round trip between two coordinates. Source: surface.md §1.9 (Vivaldi)."""
    if len(a["Vec"]) != len(b["Vec"]):
        raise Failure("Error: the nodes' coordinates have different dimensions")
    distance = math.dist(a["Vec"], b["Vec"]) + a["Height"] + b["Height"]
    adjusted: float = distance + a["Adjustment"] + b["Adjustment"]
    return adjusted if adjusted > 0 else distance


def _own_name(call: Call) -> str:
    config = call.client.get_json("/v1/agent/self")["Config"]
    name: str = config["NodeName"]
    return f"{name}.{config['Datacenter']}" if call.switch("wan") else name


def _lan(call: Call) -> dict[str, Coordinate]:
    nodes = call.client.get_json("/v1/coordinate/nodes") or []
    return {entry["Node"].lower(): entry["Coord"] for entry in nodes}


def _wan(call: Call) -> dict[str, Coordinate]:
    coordinates = {}
    for datacenter in call.client.get_json("/v1/coordinate/datacenters") or []:
        for entry in datacenter["Coordinates"] or []:
            name = f"{entry['Node']}.{datacenter['Datacenter']}"
            coordinates[name.lower()] = entry["Coord"]
    return coordinates


def _coordinate(coordinates: dict[str, Coordinate], name: str) -> Coordinate:
    coordinate = coordinates.get(name.lower())
    if coordinate is None:
        message = f'Could not find a coordinate for node "{name}"'
        raise Failure(message)
    return coordinate
