"""The datacenters that the servers' gossip knows, and how far each one is.

Pure: of the WAN's members and the coordinates last heard of them. Source: Consul API,
/v1/catalog/datacenters and /v1/coordinate/datacenters; surface §1.4, §1.9.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from agent.membership.tags import ServerInfo
from catalog.rows.node import Coord
from catalog.selection.distance import distance_s
from gossip.core.types import Status

OWN_DISTANCE_S: Final = 0.0  # whatever the coordinates say: a datacenter is near to itself


def by_distance(
    own_datacenter: str,
    own: Coord,
    servers: Iterable[ServerInfo],
    coordinates: Mapping[str, Coord],
) -> tuple[str, ...]:
    """The datacenters, near ones first, then by name.

    A datacenter is as far as its median server; one without a coordinate is the farthest. Servers
    that left do not count, those that failed do. ``coordinates`` are by the server's WAN name.
    """
    distances_s: dict[str, list[float]] = {own_datacenter: [OWN_DISTANCE_S]}
    for server in servers:
        if server.status is not Status.LEFT and server.datacenter != own_datacenter:
            distance = distance_s(own, coordinates.get(server.name))
            distances_s.setdefault(server.datacenter, []).append(distance)
    return tuple(sorted(distances_s, key=lambda name: (_median(distances_s[name]), name)))


def coordinates_by_datacenter(
    servers: Iterable[ServerInfo], coordinates: Mapping[str, Coord]
) -> dict[str, dict[str, Coord]]:
    """The known coordinates of each datacenter's servers, by node name: without the datacenter."""
    found: dict[str, dict[str, Coord]] = {}
    for server in sorted(servers, key=lambda each: (each.datacenter, each.name)):
        coordinate = coordinates.get(server.name)
        if coordinate is not None:
            node = server.name.removesuffix(f".{server.datacenter}")
            found.setdefault(server.datacenter, {})[node] = coordinate
    return found


def _median(distances_s: list[float]) -> float:
    """The middle one; of an even number the farther, as Consul takes it."""
    return sorted(distances_s)[len(distances_s) // 2]
