"""Prepared queries, before they are proposed and when they run."""

import pytest

from agent.rpc.endpoints.query import QueryApply, QueryExecute, QueryRemove, apply, execute, remove
from catalog.errors import Invalid, NotFound
from catalog.read import Read
from catalog.rows.node import Coord, Coordinate, Node
from catalog.rows.query import PreparedQuery, QueryService
from catalog.rows.service import NodeService, ServiceInstance
from catalog.tables import COORDINATES, NODES, QUERIES, SERVICES
from tests.agent.rpc.endpoints.server import NEW_UUID, make_server

WEB = QueryService(service="web")


@pytest.fixture
def server():
    server = make_server()
    for number in range(3):
        name = f"n{number}"
        server.store.put(NODES, Node(node=name, address=f"10.0.0.{number}"))
        instance = NodeService(id="web", service="web")
        server.store.put(SERVICES, ServiceInstance(node=name, service=instance))
        vector = (float(number),) + (0.0,) * 7
        server.store.put(COORDINATES, Coordinate(node=name, coord=Coord(vec=vector)))
    server.store.put(QUERIES, PreparedQuery(id=NEW_UUID, name="Q", service=WEB))
    server.store.commit()
    return server


def run(server, name_or_id: str = "q", **fields):
    return execute(Read(server.store), QueryExecute(name_or_id=name_or_id, **fields), server)


def nodes(outcome) -> list[str]:
    return [row.node.node for row in outcome.nodes]


def test_a_query_is_found_by_name_without_regard_to_case_and_by_id(server):
    assert nodes(run(server, "q")) == nodes(run(server, NEW_UUID)) == ["n0", "n1", "n2"]
    with pytest.raises(NotFound, match="Query not found"):
        run(server, "none")


def test_a_limit_bounds_the_instances(server):
    assert len(run(server, limit=2).nodes) == 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"near": "n2"}, ["n2", "n1", "n0"]),
        ({"near": "_agent", "source_node": "n1"}, ["n1", "n0", "n2"]),
        ({"near": "_ip", "source_address": "10.0.0.2"}, ["n2", "n1", "n0"]),
        ({"near": "_ip", "source_address": "1.2.3.4"}, ["n0", "n1", "n2"]),
    ],
)
def test_the_nearest_come_first(server, fields, expected):
    outcome = run(server, **fields)

    assert nodes(outcome) == expected
    assert outcome.ordered == (fields.get("source_address") != "1.2.3.4")


def test_a_new_query_gets_its_id_and_must_not_bring_one():
    query = PreparedQuery(id="", name="q", service=WEB)

    assert apply(make_server(), QueryApply(query=query, create=True)).query.id == NEW_UUID
    given = PreparedQuery(id=NEW_UUID, service=WEB)
    with pytest.raises(Invalid, match="ID must be empty"):
        apply(make_server(), QueryApply(query=given, create=True))


@pytest.mark.parametrize(
    "request_",
    [
        QueryApply(query=PreparedQuery(id="x", service=WEB)),
        QueryApply(query=PreparedQuery(id="", service=WEB, session="x"), create=True),
    ],
)
def test_ids_have_to_be_uuids(request_):
    with pytest.raises(Invalid, match="UUID must be 36 characters"):
        apply(make_server(), request_)


def test_a_removal_needs_a_uuid():
    with pytest.raises(Invalid, match="Prepared Query lookup failed"):
        remove(make_server(), QueryRemove(id="x"))
