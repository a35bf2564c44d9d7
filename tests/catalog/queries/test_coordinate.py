import pytest

from catalog.commands import CoordinateUpdate
from catalog.queries import coordinate
from catalog.rows.node import Coord, Coordinate
from tests.catalog.replica import Replica


@pytest.fixture
def located(replica: Replica) -> Replica:
    """Node b in the default segment and in segment x, node a in the default one."""
    for name in ("b", "a"):
        replica.register(name)
    rows = (("b", ""), ("b", "x"), ("a", ""))
    replica.do(
        CoordinateUpdate(
            coordinates=tuple(
                Coordinate(node=node, segment=segment, coord=Coord()) for node, segment in rows
            )
        )
    )
    return replica


@pytest.mark.parametrize(
    ("query", "arguments", "rows"),
    [
        (coordinate.nodes, (None,), [("a", ""), ("b", ""), ("b", "x")]),
        (coordinate.nodes, ("",), [("a", ""), ("b", "")]),
        (coordinate.nodes, ("x",), [("b", "x")]),
        (coordinate.of_node, ("B", None), [("b", ""), ("b", "x")]),
        (coordinate.of_node, ("b", "x"), [("b", "x")]),
        (coordinate.of_node, ("nobody", None), []),
    ],
)
def test_coordinates_are_found_by_node_and_segment(
    located: Replica,
    query: object,
    arguments: tuple[str | None, ...],
    rows: list[tuple[str, str]],
) -> None:
    index = located.index
    located.put("unrelated")

    found, read = located.read(query, *arguments)

    assert [(row.node, row.segment) for row in found] == rows
    assert read.index == index
