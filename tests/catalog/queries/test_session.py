import pytest

from catalog.queries import session
from catalog.watch import index_key
from tests.catalog.replica import Replica


@pytest.fixture
def two(replica: Replica) -> Replica:
    """Session b on node n and session a on node M."""
    replica.register("n")
    replica.register("M")
    replica.begin("b")
    replica.begin("a", node="M")
    return replica


@pytest.mark.parametrize(
    ("query", "arguments", "ids"),
    [
        (session.all_sessions, (), ["a", "b"]),
        (session.of_node, ("m",), ["a"]),
        (session.of_node, ("N",), ["b"]),
        (session.of_node, ("nobody",), []),
        (session.info, ("b",), ["b"]),
        (session.info, ("none",), []),
    ],
)
def test_sessions_are_found_and_move_with_their_table(
    two: Replica, query: object, arguments: tuple[str, ...], ids: list[str]
) -> None:
    index = two.index
    two.put("unrelated")

    found, read = two.read(query, *arguments)

    assert [row.id for row in found] == ids
    assert read.index == index
    assert read.watched == [index_key("sessions")]
