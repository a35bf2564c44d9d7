import pytest

from catalog.commands import CoordinateUpdate
from catalog.rows.node import Coord, Coordinate
from tests.catalog.replica import Replica, check, service

ID_1 = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def inhabited(replica: Replica) -> Replica:
    """Node old of ID_1 with a service, checks, a session with a lock, and a coordinate."""
    replica.register(
        "old", check("own"), check("c", service_id="web"), service=service("web"), id=ID_1
    )
    replica.begin("s", node="old", node_checks=("own",))
    replica.kv("lock", "k", session="s")
    replica.do(CoordinateUpdate(coordinates=(Coordinate(node="old", coord=Coord()),)))
    return replica
