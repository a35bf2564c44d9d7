"""Keys, transactions and the sessions that lock keys."""

from typing import Final

from agent.http.handlers import kv, session, txn
from agent.http.handlers.shared import as_json
from agent.http.route import Read, Route, Write
from agent.http.routes.parts import READ, WRITE, local

KV: Final = (
    Route(
        "GET",
        "/v1/kv/{key}",
        Read(kv.get, kv.show),
        "Read a key, or the pairs or keys under a prefix",
        (*READ, "recurse", "raw", "keys", "separator"),
        fast=True,
    ),
    Route(
        "PUT",
        "/v1/kv/{key}",
        Write(kv.put, as_json),
        "Write a key",
        (*WRITE, "flags", "cas", "acquire", "release"),
        fast=True,
    ),
    Route(
        "DELETE",
        "/v1/kv/{key}",
        Write(kv.delete, as_json),
        "Delete a key or everything under a prefix",
        (*WRITE, "recurse", "cas"),
    ),
    local("PUT", "/v1/txn", txn.run, "Carry out operations together or not at all"),
)

SESSION: Final = (
    Route(
        "PUT",
        "/v1/session/create",
        Write(session.create, session.show_id),
        "Create a session",
        WRITE,
    ),
    Route(
        "PUT",
        "/v1/session/destroy/{id}",
        Write(session.destroy, as_json),
        "End a session",
        WRITE,
    ),
    Route(
        "PUT",
        "/v1/session/renew/{id}",
        Write(session.renew, session.show_renewed),
        "Renew a session",
        WRITE,
    ),
    Route("GET", "/v1/session/info/{id}", Read(session.get, as_json), "One session", READ),
    Route("GET", "/v1/session/node/{node}", Read(session.of_node, as_json), "Of a node", READ),
    Route("GET", "/v1/session/list", Read(session.list_all, as_json), "All sessions", READ),
)
