"""Instances as endpoints."""

from typing import Any

import pytest
from msgspec.structs import replace

from agent.mesh.snapshot_endpoints import endpoints, rounded_rtt_s
from agent.mesh.watch_questions import NodeCoordinate
from catalog.rows.check import WARNING, CheckServiceNode
from catalog.rows.node import Coord
from catalog.rows.service import ServiceAddress, Weights
from proxy.api import Endpoint
from tests.agent.mesh.world import DC2, PLACE, World, instance

HERE = replace(PLACE, coordinate=Coord())


def one(row: CheckServiceNode, **place: Any) -> Endpoint:
    (found,) = endpoints([row], replace(PLACE, **place), World().answers())
    return found


def far(milliseconds: float) -> Coord:
    return Coord(vec=(milliseconds / 1000, *((0.0,) * 7)), height=0.0)


def with_service(row: CheckServiceNode, **changes: Any) -> CheckServiceNode:
    return replace(row, service=replace(row.service, **changes))


def test_an_instance_is_named_by_its_node_and_its_id() -> None:
    assert (Endpoint(id="node-b/db-sidecar-proxy", address="10.0.0.2", port=21000)) == one(
        instance("db")
    )


def test_the_services_own_address_comes_before_the_nodes() -> None:
    assert "10.9.9.9" == one(with_service(instance("db"), address="10.9.9.9")).address


def test_from_another_datacenter_the_wide_addresses_are_dialled() -> None:
    row = instance("db", datacenter=DC2)
    tagged = with_service(
        row, tagged_addresses={"wan": ServiceAddress(address="203.0.113.1", port=443)}
    )
    node = replace(row, node=replace(row.node, tagged_addresses={"wan": "203.0.113.2"}))

    assert ("203.0.113.1", 443) == (one(tagged).address, one(tagged).port)
    assert ("203.0.113.2", 21000) == (one(node).address, one(node).port)
    assert "10.0.0.2" == one(row).address


def test_near_the_wide_addresses_do_not_count() -> None:
    row = instance("db")
    node = replace(row, node=replace(row.node, tagged_addresses={"wan": "203.0.113.2"}))

    assert "10.0.0.2" == one(node).address


@pytest.mark.parametrize(
    ("passing", "warning", "status", "weight"),
    [(5, 2, "passing", 5), (5, 2, WARNING, 2), (0, 1, "passing", 1), (900, 1, "passing", 128)],
)
def test_weights_follow_the_checks_within_bounds(
    passing: int, warning: int, status: str, weight: int
) -> None:
    row = instance("db", weights=Weights(passing=passing, warning=warning), status=status)

    assert weight == one(row).weight


def test_endpoints_come_in_the_order_of_their_ids() -> None:
    rows = [instance("db", node=node) for node in ("c", "a", "b")]

    found = endpoints(rows, PLACE, World().answers())

    assert ["a", "b", "c"] == [each.id[0] for each in found]


def test_distances_are_told_only_where_they_count() -> None:
    world = World().knows(NodeCoordinate("node-b"), far(10))

    plain = endpoints([instance("db")], HERE, world.answers())
    near = endpoints([instance("db")], HERE, world.answers(), near=True)

    assert 0.0 == plain[0].rtt_s
    assert 0.008 < near[0].rtt_s < 0.013


def test_a_distance_that_nobody_knows_is_zero() -> None:
    unknown = endpoints([instance("db")], HERE, World().answers(), near=True)
    abroad = endpoints([instance("db", datacenter=DC2)], HERE, World().answers(), near=True)
    nowhere = endpoints([instance("db")], PLACE, World().answers(), near=True)

    assert [0.0, 0.0, 0.0] == [found[0].rtt_s for found in (unknown, abroad, nowhere)]


def test_jitter_does_not_look_like_news() -> None:
    assert rounded_rtt_s(Coord(), far(10)) == rounded_rtt_s(Coord(), far(10.5))
    assert rounded_rtt_s(Coord(), far(10)) != rounded_rtt_s(Coord(), far(20))


def test_coordinates_that_do_not_fit_have_no_distance() -> None:
    assert 0.0 == rounded_rtt_s(Coord(), Coord(vec=(0.0,)))
