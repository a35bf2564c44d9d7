from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.rows.check import CheckServiceNode
from catalog.rows.node import Coord, Node
from catalog.rows.service import NodeService
from catalog.selection.distance import (
    distance_s,
    put_near_first,
    segment_distance_s,
    sort_by_distance,
)


def coord(x, height=0.0, adjustment=0.0):
    return Coord(vec=(x, *(0.0,) * 7), height=height, adjustment=adjustment)


COORDS = st.builds(coord, st.floats(-10, 10), st.floats(0, 1), st.floats(-1, 1))


def test_distance_adds_heights_and_adjustments():
    assert pytest.approx(3.7) == distance_s(coord(1, 0.1, 0.25), coord(4, 0.1, 0.25))


def test_adjustment_that_makes_no_sense_is_left_out():
    assert distance_s(coord(0, 0, -5), coord(1)) == 1.0


def test_without_like_coordinates_the_distance_is_infinite():
    assert inf == distance_s(None, coord(0))
    assert inf == distance_s(Coord(vec=(0.0,)), coord(0))


@given(COORDS, COORDS)
def test_distance_is_the_same_both_ways_and_not_negative(a, b):
    assert distance_s(a, b) == distance_s(b, a) >= 0


def test_distance_is_counted_in_the_segment_of_the_origin():
    assert segment_distance_s({"a": coord(0)}, {"a": coord(2), "": coord(9)}) == 2.0
    assert segment_distance_s({"a": coord(0), "": coord(0)}, {"a": coord(2), "": coord(9)}) == 9.0
    assert inf == segment_distance_s({"a": coord(0)}, {"": coord(9)})


def test_nearest_come_first_and_unknown_last_in_their_order():
    known = {"far": coord(5), "close": coord(0.1), "mid": coord(1)}

    ordered = sort_by_distance(["x", "far", "y", "close", "mid"], coord(0), known.get)

    assert ordered == ["close", "mid", "far", "x", "y"]


def test_without_origin_the_order_stays():
    assert sort_by_distance([3, 1, 2], None, coord) == [3, 1, 2]


def instances(*names):
    return tuple(CheckServiceNode(node=Node(node=name), service=NodeService()) for name in names)


def test_near_node_itself_changes_places_with_the_first():
    assert instances("c", "b", "a") == put_near_first(instances("a", "b", "c"), "c")
    names = [f"n{number}" for number in range(11)]
    assert instances(*names) == put_near_first(instances(*names), "n10")
