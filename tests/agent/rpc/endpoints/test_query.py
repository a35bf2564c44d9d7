"""Prepared queries, before they are proposed and when they run."""

import asyncio

import pytest

from agent.rpc.endpoints import query as query_module
from agent.rpc.endpoints.query import (
    QueryApply,
    QueryExecute,
    QueryExecuteRemote,
    QueryOutcome,
    QueryRemove,
    apply,
    execute,
    execute_remote,
    remove,
)
from agent.rpc.request import Consistency, NoPathToDatacenter, Reply
from agent.rpc.server import Elsewhere
from catalog.errors import Invalid, NotFound
from catalog.read import Read
from catalog.rows.check import CheckServiceNode
from catalog.rows.node import Coord, Coordinate, Node
from catalog.rows.query import PreparedQuery, QueryDNS, QueryFailover, QueryService
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


# Other datacenters.


class FakeAbroad:
    """Datacenters by name with the nodes that they find; None for one that cannot be asked."""

    def __init__(self, **found: tuple[str, ...] | None) -> None:
        self.found = found
        self.asked: list[QueryExecuteRemote] = []
        self.hangs = False

    def datacenters(self) -> tuple[str, ...]:
        return tuple(self.found)

    async def call(self, request: QueryExecuteRemote) -> Reply:
        self.asked.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        names = self.found[request.datacenter]
        if names is None:
            raise NoPathToDatacenter
        rows = tuple(
            CheckServiceNode(
                node=Node(node=name, address="10.1.0.1"),
                service=NodeService(id="db", service="db"),
                checks=(),
            )
            for name in names
        )
        outcome = QueryOutcome(
            service="db", nodes=rows, dns=request.query.dns, datacenter=request.datacenter
        )
        return Reply(value=outcome)


def failing_over(server, abroad: FakeAbroad, *, service: str = "db", **fields) -> QueryExecute:
    """A query of a service that is in no node here."""
    server.abroad = abroad
    query = PreparedQuery(
        id="",
        name="away",
        service=QueryService(service=service, failover=QueryFailover(**fields)),
        dns=QueryDNS(ttl="7s"),
    )
    server.store.put(QUERIES, query)
    server.store.commit()
    return QueryExecute(name_or_id="away", limit=2, connect=False, token="t")


async def ran(server, request: QueryExecute) -> QueryOutcome:
    found = execute(Read(server.store), request, server)
    return await found.ask() if isinstance(found, Elsewhere) else found


async def test_the_first_datacenter_with_an_instance_answers(server):
    abroad = FakeAbroad(dc2=(), dc3=None, dc4=("far",), dc5=("farther",))
    request = failing_over(server, abroad, nearest_n=1, datacenters=("dc3", "dc2", "dc4", "dc5"))

    outcome = await ran(server, request)

    assert ["dc2", "dc3", "dc4"] == [asked.datacenter for asked in abroad.asked]
    assert ("dc4", 3, ["far"]) == (outcome.datacenter, outcome.failovers, nodes(outcome))
    assert ("7s", False) == (outcome.dns.ttl, outcome.ordered)


async def test_the_others_are_told_all_that_the_caller_asked_for(server):
    abroad = FakeAbroad(dc2=("far",))
    request = failing_over(server, abroad, nearest_n=3)

    await ran(server, request)

    (asked,) = abroad.asked
    assert ("db", 2, False, "t") == (
        asked.query.service.service,
        asked.limit,
        asked.connect,
        asked.token,
    )
    assert Consistency.DEFAULT is asked.consistency


async def test_nobody_is_asked_while_an_instance_is_left_here(server):
    abroad = FakeAbroad(dc2=("far",))
    request = failing_over(server, abroad, service="web", nearest_n=1)

    outcome = await ran(server, request)

    assert ("dc1", 0, []) == (outcome.datacenter, outcome.failovers, abroad.asked)


async def test_a_query_without_failover_finds_nothing_at_once(server):
    outcome = execute(Read(server.store), failing_over(server, FakeAbroad(dc2=("far",))), server)

    assert isinstance(outcome, QueryOutcome)
    assert ("dc1", 0, ()) == (outcome.datacenter, outcome.failovers, outcome.nodes)


async def test_when_no_datacenter_has_an_instance_all_tries_are_counted(server):
    outcome = await ran(server, failing_over(server, FakeAbroad(dc2=(), dc3=None), nearest_n=2))

    assert (2, (), "7s") == (outcome.failovers, outcome.nodes, outcome.dns.ttl)


async def test_a_datacenter_that_hangs_is_passed_over(server, monkeypatch):
    monkeypatch.setattr(query_module, "FAILOVER_TRY_S_MAX", 0.01)
    abroad = FakeAbroad(dc2=("far",))
    request = failing_over(server, abroad, nearest_n=1)
    abroad.hangs = True

    outcome = await ran(server, request)

    assert ("dc1", 1, ()) == (outcome.datacenter, outcome.failovers, outcome.nodes)


def test_a_query_of_another_datacenter_is_run_with_this_ones_instances(server):
    query = PreparedQuery(name="theirs", service=WEB, dns=QueryDNS(ttl="7s"))

    outcome = execute_remote(Read(server.store), QueryExecuteRemote(query=query, limit=2), server)

    assert ("web", "dc1", "7s") == (outcome.service, outcome.datacenter, outcome.dns.ttl)
    assert ["n0", "n1"] == nodes(outcome)
