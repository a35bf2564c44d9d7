"""Writes of prepared queries. Source: Consul API, /v1/query."""

from msgspec.structs import replace

from catalog.commands import QueryDelete, QueryPut
from catalog.errors import Conflict, Invalid
from catalog.rows.query import PreparedQuery
from catalog.tables import QUERIES, SESSIONS
from catalog.writes.tx import Tx

QUERIES_INDEX = "prepared-queries"


def put(tx: Tx, command: QueryPut) -> str:
    """Store a query and return its id. Names are unique and are no ids."""
    query = command.query
    before = tx.store.get(QUERIES, query.id)
    if before is None and not command.create:
        raise Conflict(f"Cannot modify non-existent prepared query: '{query.id}'")
    _refuse_taken_name(tx, query)
    if query.session and tx.store.get(SESSIONS, query.session) is None:
        raise Invalid(f'invalid session "{query.session}"')
    created = before.create_index if before else tx.index
    tx.store.put(QUERIES, replace(query, create_index=created, modify_index=tx.index))
    tx.changed(QUERIES_INDEX)
    return query.id


def _refuse_taken_name(tx: Tx, query: PreparedQuery) -> None:
    if not query.name:
        others = tx.store.find(QUERIES, "template", "") if query.template.type else []
        if any(other.id != query.id for other in others):
            raise Conflict("a query template with an empty name already exists")
        return
    for other in tx.store.find(QUERIES, "name", query.name.lower()):
        if other.id != query.id:
            raise Conflict(f"name '{query.name}' aliases an existing query name")
    if tx.store.get(QUERIES, query.name) is not None:
        raise Conflict(f"name '{query.name}' aliases an existing query ID")


def delete(tx: Tx, command: QueryDelete) -> bool:
    """Remove a query."""
    if tx.store.delete(QUERIES, command.id) is None:
        raise Conflict(f"Cannot modify non-existent prepared query: '{command.id}'")
    tx.changed(QUERIES_INDEX)
    return True
