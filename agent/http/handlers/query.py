"""/v1/query. Source: Consul API, prepared queries."""

import ipaddress

from msgspec.structs import replace

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import decode_body
from agent.http.params import boolean, read_options, write_options
from agent.rpc.endpoints.query import (
    QueryApply,
    QueryExecute,
    QueryExplain,
    QueryGet,
    QueryList,
    QueryRemove,
)
from agent.rpc.request import Reply
from catalog.rows.query import PreparedQuery


def create(call: Call) -> QueryApply:
    """A new query."""
    query = decode_body(call.body, PreparedQuery)
    return QueryApply(query=query, create=True, **write_options(call))


def show_id(_call: Call, reply: Reply) -> Answer:
    """The new query's id."""
    return Answer(json={"ID": reply.value})


def put(call: Call) -> QueryApply:
    """Replace a query."""
    query = decode_body(call.body, PreparedQuery)
    return QueryApply(query=replace(query, id=call.path["id"]), **write_options(call))


def remove(call: Call) -> QueryRemove:
    """Remove a query."""
    return QueryRemove(id=call.path["id"], **write_options(call))


def get(call: Call) -> QueryGet:
    """One query."""
    return QueryGet(id=call.path["id"], **read_options(call))


def list_all(call: Call) -> QueryList:
    """All queries."""
    return QueryList(**read_options(call))


def execute(call: Call) -> QueryExecute:
    """Run a query."""
    query = call.query
    return QueryExecute(
        name_or_id=call.path["id"],
        near=query.text("near"),
        limit=_limit(query.text("limit")),
        connect=bool(boolean(query.text("connect"))),
        source_address=source_address(call),
        source_node=call.node_name,
        **(read_options(call) | {"min_index": 0}),
    )


def source_address(call: Call) -> str:
    """Who asks: the first address of X-Forwarded-For, else the peer."""
    forwarded = call.headers.get("X-Forwarded-For", "").partition(",")[0].strip()
    try:
        return str(ipaddress.ip_address(forwarded))
    except ValueError:
        return call.source_address


def _limit(text: str) -> int:
    if not text:
        return 0
    try:
        return int(text)
    except ValueError:
        raise HttpError(500, f'Bad limit: strconv.Atoi: parsing "{text}": invalid syntax') from None


def show_outcome(_call: Call, reply: Reply) -> Answer:
    """What the query found."""
    outcome = reply.value
    return Answer(
        json={
            "Service": outcome.service,
            "Nodes": outcome.nodes,
            "DNS": outcome.dns,
            "Datacenter": outcome.datacenter,
            "Failovers": outcome.failovers,
            **_meta(reply),
        }
    )


def explain(call: Call) -> QueryExplain:
    """The query that a name finds."""
    return QueryExplain(name_or_id=call.path["id"], **(read_options(call) | {"min_index": 0}))


def show_explained(_call: Call, reply: Reply) -> Answer:
    """The query as it would run."""
    return Answer(json={"Query": reply.value, **_meta(reply)})


def _meta(reply: Reply) -> dict[str, object]:
    return {
        "Index": 0,
        "LastContact": reply.last_contact_ms,
        "KnownLeader": reply.known_leader,
        "ConsistencyLevel": "leader",
        "NotModified": False,
    }
