"""Coordinates, before they are proposed."""

import math

import pytest

from agent.rpc.endpoints.coordinate import CoordinateApply, update
from catalog.errors import Invalid
from catalog.rows.node import Coord, Coordinate
from tests.agent.rpc.endpoints.server import make_server


def propose(coord: Coord):
    return update(make_server(), CoordinateApply(coordinates=(Coordinate(node="n", coord=coord),)))


def test_a_coordinate_of_eight_dimensions_is_proposed():
    assert propose(Coord()).coordinates[0].coord == Coord()


@pytest.mark.parametrize("dimensions", [0, 7, 9])
def test_other_dimensions_are_refused(dimensions):
    with pytest.raises(Invalid, match="incompatible coordinate"):
        propose(Coord(vec=(0.0,) * dimensions))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["vec", "error", "adjustment", "height"])
def test_what_is_no_number_is_refused(field, number):
    value = (number,) + (0.0,) * 7 if field == "vec" else number

    with pytest.raises(Invalid, match="invalid coordinate"):
        propose(Coord(**{field: value}))
