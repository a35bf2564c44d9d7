"""Prepared queries. Source: Consul API, /v1/query.

A query that finds nothing in its own datacenter is run in others, if it says so: those that it
names and the nearest, one after the other.
"""

import asyncio
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from agent.rpc.near import sort_near
from agent.rpc.request import ReadRequest, RpcError, WriteRequest
from agent.rpc.server import Abroad, Done, Elsewhere, ServerContext
from catalog import commands
from catalog.commands import Command
from catalog.errors import CatalogError, Invalid, NotFound
from catalog.queries import health
from catalog.read import Read
from catalog.rows.check import CheckServiceNode
from catalog.rows.query import PreparedQuery, QueryDNS
from catalog.selection.definition import validate_query
from catalog.selection.distance import put_near_first
from catalog.selection.failover import failover_datacenters
from catalog.selection.lookup import find_query, render_query
from catalog.selection.select import limited, select
from catalog.tables import NODES, QUERIES
from catalog.uuids import is_uuid
from raft.errors import RaftError

QUERIES_INDEX = "prepared-queries"
SOURCE_ADDRESS = "_ip"
"""Near the node whose address asks."""
FAILOVER_TRY_S_MAX: Final = 10.0  # for one datacenter; one that hangs must not hide the next

_log = structlog.get_logger("agent.rpc")


class QueryApply(WriteRequest, frozen=True, kw_only=True):
    """A query to create (without id) or to replace; the reply is its id."""

    query: PreparedQuery
    create: bool = False


class QueryRemove(WriteRequest, frozen=True, kw_only=True):
    """A query to remove."""

    id: str


class QueryGet(ReadRequest, frozen=True, kw_only=True):
    """One query by its id."""

    id: str


class QueryList(ReadRequest, frozen=True, kw_only=True):
    """All queries."""


class QueryExecute(ReadRequest, frozen=True, kw_only=True):
    """Run a query. ``limit`` 0 means all; ``near`` wins over the query's own."""

    name_or_id: str
    near: str = ""
    limit: int = 0
    connect: bool = False
    source_address: str = ""
    source_node: str = ""


class QueryExecuteRemote(ReadRequest, frozen=True, kw_only=True):
    """Run a query of another datacenter, which found nothing there; ``limit`` 0 means all."""

    query: PreparedQuery
    limit: int = 0
    connect: bool = False


class QueryExplain(ReadRequest, frozen=True, kw_only=True):
    """The query that a name finds, rendered, without running it."""

    name_or_id: str


class QueryOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a query found; ``ordered`` when the instances are sorted by distance.

    ``datacenter`` is where, and ``failovers`` how many others were tried.
    """

    service: str
    nodes: tuple[CheckServiceNode, ...]
    dns: QueryDNS
    datacenter: str
    ordered: bool = False
    failovers: int = 0


def apply(server: ServerContext, request: QueryApply) -> Command:
    """Check the definition and give a new query its id."""
    query = request.query
    if request.create:
        if query.id:
            raise Invalid("ID must be empty when creating a new prepared query")
        query = replace(query, id=server.new_uuid())
    else:
        _check_id(query.id)
    if query.session and not is_uuid(query.session):
        raise Invalid(f'invalid session: UUID must be 36 characters, got "{query.session}"')
    validate_query(query)
    return commands.QueryPut(query=query, create=request.create)


def _check_id(query_id: str) -> None:
    if not is_uuid(query_id):
        raise Invalid(f"Prepared Query lookup failed: {_malformed(query_id)}")


def _malformed(query_id: str) -> str:
    return (
        f'failed prepared query lookup: index error: UUID must be 36 characters, got "{query_id}"'
    )


def remove(_server: ServerContext, request: QueryRemove) -> Command | Done:
    """See QueryRemove."""
    _check_id(request.id)
    return commands.QueryDelete(id=request.id)


def get(read: Read, request: QueryGet, _server: ServerContext) -> list[PreparedQuery]:
    """See QueryGet."""
    if not is_uuid(request.id):
        raise Invalid(_malformed(request.id))
    read.watch_row(QUERIES, request.id)
    query = read.store.get(QUERIES, request.id)
    if query is None:
        read.at_least(read.store.last_index(QUERIES_INDEX))
        raise NotFound("Query not found")
    read.at(query.modify_index)
    return [query]


def list_all(read: Read, _request: QueryList, _server: ServerContext) -> list[PreparedQuery]:
    """See QueryList."""
    read.depend(QUERIES_INDEX)
    return read.store.all(QUERIES)


def _find(read: Read, name_or_id: str) -> PreparedQuery:
    """The query to run: by id, by name, or the template whose name fits; rendered."""
    if is_uuid(name_or_id):
        by_id = read.store.get(QUERIES, name_or_id)
        if by_id is not None:
            if by_id.template.type:
                raise Invalid(
                    "prepared query templates can only be resolved up by name, "
                    f"not by ID '{name_or_id}'"
                )
            return by_id
    named = read.store.find(QUERIES, "name", name_or_id.lower())
    templates = [query for query in read.store.all(QUERIES) if query.template.type]
    found = find_query(name_or_id, named[0] if named else None, templates)
    if found is None:
        raise NotFound("Query not found")
    return render_query(found, name_or_id)


def explain(read: Read, request: QueryExplain, _server: ServerContext) -> PreparedQuery:
    """See QueryExplain."""
    return _find(read, request.name_or_id)


def execute(read: Read, request: QueryExecute, server: ServerContext) -> QueryOutcome | Elsewhere:
    """See QueryExecute."""
    query = _find(read, request.name_or_id)
    outcome = _run(read, query, server, connect=request.connect)
    near = _near(read, request, request.near or query.service.near)
    if near:
        ordered = sort_near(read, near, list(outcome.nodes), lambda row: row.node.node)
        outcome = replace(outcome, nodes=put_near_first(ordered, near), ordered=True)
    abroad = server.abroad
    if not outcome.nodes and abroad is not None:
        others = failover_datacenters(
            query.service.failover, abroad.datacenters(), server.datacenter
        )
        if others:
            return Elsewhere(lambda: _fail_over(outcome, query, request, others, abroad))
    return replace(outcome, nodes=limited(outcome.nodes, request.limit))


def execute_remote(read: Read, request: QueryExecuteRemote, server: ServerContext) -> QueryOutcome:
    """See QueryExecuteRemote. What is near to the asking datacenter's nodes is not known here."""
    outcome = _run(read, request.query, server, connect=request.connect)
    return replace(outcome, nodes=limited(outcome.nodes, request.limit))


def _run(read: Read, query: PreparedQuery, server: ServerContext, *, connect: bool) -> QueryOutcome:
    service = query.service
    lookup = health.connect_nodes if connect or service.connect else health.service_nodes
    return QueryOutcome(
        service=service.service,
        nodes=select(service, tuple(lookup(read, service.service, (), {})), server.rng.shuffle),
        dns=query.dns,
        datacenter=server.datacenter,
    )


async def _fail_over(
    outcome: QueryOutcome,
    query: PreparedQuery,
    request: QueryExecute,
    datacenters: tuple[str, ...],
    abroad: Abroad,
) -> QueryOutcome:
    """What the first datacenter with an instance found; one that cannot be asked is passed over."""
    for count, datacenter in enumerate(datacenters, start=1):
        remote = QueryExecuteRemote(
            query=query,
            limit=request.limit,
            connect=request.connect,
            datacenter=datacenter,
            token=request.token,
            consistency=request.consistency,
            max_stale_ns=request.max_stale_ns,
        )
        try:
            async with asyncio.timeout(FAILOVER_TRY_S_MAX):
                found: QueryOutcome = (await abroad.call(remote)).value
        except (RpcError, CatalogError, RaftError, TimeoutError) as error:
            _log.warning("query failover failed", datacenter=datacenter, error=str(error))
            found = outcome
        outcome = replace(found, failovers=count)
        if outcome.nodes:
            break
    return outcome


def _near(read: Read, request: QueryExecute, near: str) -> str:
    if near == "_agent":
        return request.source_node
    if near != SOURCE_ADDRESS:
        return near
    nodes = read.store.find(NODES, "address", request.source_address)
    return nodes[0].node if nodes else ""
