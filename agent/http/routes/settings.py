"""What users define for all agents: config entries and prepared queries."""

from typing import Final

from agent.http.handlers import config_entry, query
from agent.http.handlers.shared import as_empty, as_json
from agent.http.route import Read, Route, Write
from agent.http.routes.parts import READ, WRITE

CONFIG: Final = (
    Route(
        "PUT",
        "/v1/config",
        Write(config_entry.apply, as_json),
        "Write a config entry",
        (*WRITE, "cas"),
    ),
    Route(
        "GET",
        "/v1/config/{path}",
        Read(config_entry.get, config_entry.show),
        "Read a config entry, or all of a kind",
        (*READ, "filter"),
    ),
    Route(
        "DELETE",
        "/v1/config/{path}",
        Write(config_entry.delete, config_entry.show_deleted),
        "Delete a config entry",
        WRITE,
    ),
)

QUERY: Final = (
    Route(
        "GET",
        "/v1/query",
        Read(query.list_all, as_json),
        "All prepared queries",
        READ,
        effective=True,
    ),
    Route("POST", "/v1/query", Write(query.create, query.show_id), "Create a query", WRITE),
    Route(
        "GET",
        "/v1/query/{id}/execute",
        Read(query.execute, query.show_outcome),
        "Run a query",
        (*READ, "near", "limit", "connect", "cached"),
        effective=True,
        cacheable=True,
    ),
    Route(
        "GET",
        "/v1/query/{id}/explain",
        Read(query.explain, query.show_explained),
        "The query that a name finds",
        READ,
        effective=True,
    ),
    Route("GET", "/v1/query/{id}", Read(query.get, as_json), "One", READ, effective=True),
    Route("PUT", "/v1/query/{id}", Write(query.put, as_empty), "Replace a query", WRITE),
    Route("DELETE", "/v1/query/{id}", Write(query.remove, as_empty), "Remove one", WRITE),
)
