"""Instances of the catalog as endpoints of a cluster: address, weight, distance.

Source: Consul, health weights and WAN addresses; Vivaldi coordinates (round-trip time).
"""

import math
from collections.abc import Iterable
from typing import Final

from agent.mesh.settings import Place
from agent.mesh.watch_questions import Answers, NodeCoordinate
from catalog.rows.check import WARNING, CheckServiceNode
from catalog.rows.node import Coord
from catalog.selection.distance import distance_s
from proxy.api import Endpoint

WEIGHT_MAX: Final = 128  # Envoy's: weights are shares, and so many shades are enough
RTT_STEPS_PER_DOUBLING: Final = 2
"""How finely round trips are told apart: coarse, so that jitter does not look like news."""
_WAN: Final = "wan"


def endpoints(
    rows: Iterable[CheckServiceNode], place: Place, answers: Answers, *, near: bool = False
) -> tuple[Endpoint, ...]:
    """Endpoints in the order of their ids; ``near``: with estimated round-trip times."""
    found = [_endpoint(row, place, _rtt_s(row, place, answers) if near else 0.0) for row in rows]
    return tuple(sorted(found, key=lambda endpoint: endpoint.id))


def _endpoint(row: CheckServiceNode, place: Place, rtt_s: float) -> Endpoint:
    address, port = address_of(row, wide=is_far(row, place))
    return Endpoint(
        id=f"{row.node.node}/{row.service.id}",
        address=address,
        port=port,
        weight=_weight(row),
        rtt_s=rtt_s,
    )


def is_far(row: CheckServiceNode, place: Place) -> bool:
    """Whether an instance is in another datacenter."""
    return bool(row.node.datacenter) and row.node.datacenter != place.datacenter


def address_of(row: CheckServiceNode, *, wide: bool) -> tuple[str, int]:
    """Where an instance is dialled; ``wide``: from another datacenter."""
    service, node = row.service, row.node
    if wide:
        tagged = (service.tagged_addresses or {}).get(_WAN)
        if tagged is not None and tagged.address:
            return tagged.address, tagged.port or service.port
    if service.address:
        return service.address, service.port
    node_address = (node.tagged_addresses or {}).get(_WAN) if wide else ""
    return node_address or node.address, service.port


def _weight(row: CheckServiceNode) -> int:
    weights = row.service.weights
    warns = any(check.status == WARNING for check in row.checks)
    return min(max(weights.warning if warns else weights.passing, 1), WEIGHT_MAX)


def _rtt_s(row: CheckServiceNode, place: Place, answers: Answers) -> float:
    """The estimated round trip to an instance's node; 0 if it is not known."""
    if place.coordinate is None or is_far(row, place):
        return 0.0
    theirs = answers.ask(NodeCoordinate(row.node.node))
    return 0.0 if theirs is None else rounded_rtt_s(place.coordinate, theirs)


def rounded_rtt_s(ours: Coord, theirs: Coord) -> float:
    """The round trip between two coordinates, in steps."""
    seconds = distance_s(ours, theirs)
    if not seconds > 0 or not math.isfinite(seconds):
        return 0.0
    steps = round(math.log2(seconds) * RTT_STEPS_PER_DOUBLING)
    return round(math.pow(2, steps / RTT_STEPS_PER_DOUBLING), 9)
