from catalog.commands import CoordinateUpdate
from catalog.rows.node import Coord, Coordinate
from catalog.tables import COORDINATES
from tests.catalog.replica import Replica, contents


def coordinate(node: str, height: float = 1.0, segment: str = "") -> Coordinate:
    return Coordinate(node=node, segment=segment, coord=Coord(height=height))


def test_coordinates_of_known_nodes_are_stored_and_others_dropped(replica: Replica) -> None:
    replica.register("n")

    replica.do(CoordinateUpdate(coordinates=(coordinate("n"), coordinate("nobody"))))

    (stored,) = replica.store.all(COORDINATES)
    assert ("n", replica.index, replica.index) == (
        stored.node,
        stored.create_index,
        stored.modify_index,
    )
    assert replica.index == replica.store.last_index("coordinates")


def test_equal_coordinate_changes_nothing(replica: Replica) -> None:
    replica.register("n")
    replica.do(CoordinateUpdate(coordinates=(coordinate("n"),)))
    before = contents(replica.store)

    replica.do(CoordinateUpdate(coordinates=(coordinate("N"),)))

    assert before == contents(replica.store)


def test_new_coordinate_keeps_the_create_index(replica: Replica) -> None:
    replica.register("n")
    replica.do(CoordinateUpdate(coordinates=(coordinate("n"),)))
    created = replica.index

    replica.do(CoordinateUpdate(coordinates=(coordinate("n", 2.0), coordinate("n", segment="x"))))

    first, second = replica.store.all(COORDINATES)
    assert (created, replica.index, 2.0) == (
        first.create_index,
        first.modify_index,
        first.coord.height,
    )
    assert second.segment == "x"
