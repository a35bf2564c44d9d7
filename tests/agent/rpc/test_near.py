"""Lists by network distance."""

import pytest

from agent.rpc.near import sort_near
from catalog.read import Read
from catalog.rows.node import Coord, Coordinate, Node
from catalog.store import Store
from catalog.tables import COORDINATES, NODES

PLACES = {"a": 0.0, "b": 3.0, "c": 1.0}


@pytest.fixture
def read() -> Read:
    store = Store()
    for name, place in PLACES.items():
        store.put(NODES, Node(id=f"id-{name}", node=name.upper()))
        vector = (place,) + (0.0,) * 7
        store.put(COORDINATES, Coordinate(node=name.upper(), coord=Coord(vec=vector)))
    store.commit()
    return Read(store)


def order(read: Read, near: str, rows: list[str]) -> list[str]:
    return sort_near(read, near, rows, lambda row: row)


def test_the_nearest_comes_first_and_those_without_coordinate_last(read):
    assert order(read, "A", ["x", "B", "C", "A"]) == ["A", "C", "B", "x"]
    assert order(read, "b", ["A", "B", "C"]) == ["B", "C", "A"]


@pytest.mark.parametrize("near", ["", "nowhere"])
def test_rows_stay_as_they_are_without_an_origin(read, near):
    assert order(read, near, ["x", "B", "A"]) == ["x", "B", "A"]
