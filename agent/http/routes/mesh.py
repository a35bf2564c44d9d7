"""The service mesh: intentions, the certificate authority, discovery chains."""

from typing import Final

from agent.http.handlers import connect, discovery_chain, intention, mesh_view, mesh_workers
from agent.http.handlers.shared import as_json
from agent.http.route import Read, Route, Write
from agent.http.routes.parts import READ, WRITE, local

_BLOCK: Final = ("index", "wait")
_EXACT: Final = "/v1/connect/intentions/exact"
_NAMES: Final = ("source", "destination")
_BY_ID: Final = "/v1/connect/intentions/{id}"
_CHAIN: Final = "/v1/discovery-chain/{service}"

INTENTION: Final = (
    Route(
        "GET",
        "/v1/connect/intentions",
        Read(intention.list_all, as_json),
        "Intentions",
        (*READ, "filter"),
    ),
    Route(
        "POST",
        "/v1/connect/intentions",
        Write(intention.create, intention.show_id),
        "Create an intention",
        WRITE,
    ),
    Route("GET", _BY_ID, Read(intention.get, as_json), "One intention", READ),
    Route("PUT", _BY_ID, Write(intention.update, intention.show_id), "Replace an intention", WRITE),
    Route("DELETE", _BY_ID, Write(intention.delete, as_json), "Remove an intention", WRITE),
    Route(
        "GET",
        _EXACT,
        Read(intention.exact_get, as_json),
        "The intention of two names",
        (*READ, *_NAMES),
    ),
    Route(
        "PUT",
        _EXACT,
        Write(intention.exact_put, as_json),
        "Set the intention of two names",
        (*WRITE, *_NAMES),
    ),
    Route(
        "DELETE",
        _EXACT,
        Write(intention.exact_delete, as_json),
        "Remove the intention of two names",
        (*WRITE, *_NAMES),
    ),
    Route(
        "GET",
        "/v1/connect/intentions/match",
        Read(intention.match, as_json),
        "The intentions of names",
        (*READ, "by", "name", "cached"),
        effective=True,
        cacheable=True,
    ),
    local(
        "GET",
        "/v1/connect/intentions/check",
        intention.check,
        "Whether a service may connect to another",
        *_NAMES,
        "source-type",
    ),
)

CONNECT: Final = (
    Route(
        "GET",
        "/v1/connect/ca/roots",
        Read(connect.roots, connect.show_roots),
        "Root certificates",
        (*READ, "pem"),
    ),
    local("GET", "/v1/connect/ca/configuration", connect.configuration, "The authority's settings"),
    local(
        "PUT",
        "/v1/connect/ca/configuration",
        connect.set_configuration,
        "Replace the authority's settings",
    ),
    Route(
        "PUT",
        "/v1/connect/ca/revoke",
        Write(connect.revoke, connect.show_revocations),
        "Refuse leaf certificates from now on",
        (*WRITE, "serial", "service", "reason"),
    ),
    Route(
        "PUT",
        "/v1/connect/ca/rotate",
        Write(connect.rotate, connect.show_nothing),
        "Have another root certificate in use",
        WRITE,
    ),
    Route(
        "GET",
        "/v1/connect/ca/leaves",
        Read(connect.leaves, connect.show_leaves),
        "Leaf certificates that were signed and have not ended",
        (*READ, "filter"),
    ),
    Route(
        "GET",
        "/v1/connect/ca/revocations",
        Read(connect.revocations, connect.show_revocations),
        "Leaf certificates that are refused",
        READ,
    ),
    local("GET", "/v1/agent/connect/ca/roots", connect.agent_roots, "Root certificates", *_BLOCK),
    local(
        "GET",
        "/v1/agent/connect/ca/leaf/{service}",
        connect.leaf,
        "A service's certificate and key",
        *_BLOCK,
    ),
    local(
        "POST",
        "/v1/agent/connect/authorize",
        connect.authorize,
        "Whether a certificate's holder may connect",
    ),
)

CHAIN: Final = tuple(
    Route(
        method,
        _CHAIN,
        Read(build, discovery_chain.show),
        summary,
        (*READ, "compile-dc", "cached"),
        effective=True,
        cacheable=True,
    )
    for method, build, summary in (
        ("GET", discovery_chain.get, "A service's discovery chain"),
        ("POST", discovery_chain.post, "A service's discovery chain, changed by the caller"),
    )
)

WORKERS: Final = (
    local(
        "PUT",
        "/v1/internal/mesh/upgrade",
        mesh_workers.upgrade,
        "Replace the worker processes of this agent's proxies, and lose no connection",
    ),
)

VIEW: Final = (
    local(
        "GET",
        "/v1/internal/mesh/edges",
        mesh_view.edges,
        "What this agent's proxies carry, by source and destination",
        "source",
        "destination",
        "proxy",
    ),
    local(
        "GET",
        "/v1/internal/mesh/proxies",
        mesh_view.proxies,
        "This agent's proxies and how they are served",
    ),
    local(
        "GET",
        "/v1/internal/mesh/tap",
        mesh_view.tap,
        "Stream requests that pass this agent's proxies",
        "proxy",
        "source",
        "destination",
        "path",
        "method",
        "status_min",
        "share",
    ),
)
