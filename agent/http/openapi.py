"""The API as an OpenAPI 3.1 document, made from the route table: for tools and for fuzzing.

Source: https://spec.openapis.org/oas/v3.1.0.
"""

import re
from typing import Any, Final

from agent.http.route import Read, Route
from agent.http.routes import ROUTES
from agent.version import VERSION

_ARGUMENT: Final = re.compile(r"{(\w+)}")
_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_JSON: Final[dict[str, Any]] = {"application/json": {"schema": {}}}

# Names of parameters to the schema of their values; all others are free text.
_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "index": {"type": "integer", "minimum": 0},
    "cas": {"type": "integer", "minimum": 0},
    "flags": {"type": "integer", "minimum": 0},
    "limit": {"type": "integer", "minimum": 0},
    "wait": {"type": "string", "pattern": r"^[0-9]{1,3}(ms|us)$"},
    "max_stale": {"type": "string", "pattern": r"^[0-9]{1,3}(ms|s)$"},
    "enable": {"type": "boolean"},
}
_RAW_BODIES: Final = ("/v1/kv/{key}", "/v1/event/fire/{name}", "/v1/snapshot")


def document() -> dict[str, Any]:
    """The whole document, as plain JSON values."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.pattern, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "proconsul", "version": VERSION, "description": "Consul's HTTP API."},
        "paths": paths,
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method} {route.pattern}",
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {
            "200": {"description": "done", "content": {**_JSON, **_TEXT}},
            "default": {"description": "refused, with the reason as text", "content": _TEXT},
        },
    }
    if route.method in {"PUT", "POST"}:
        raw = route.pattern in _RAW_BODIES
        content = {"application/octet-stream": {"schema": {"type": "string"}}} if raw else _JSON
        operation["requestBody"] = {"required": False, "content": content}
    if isinstance(route.action, Read):
        operation["tags"] = ["read"]
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _ARGUMENT.findall(route.pattern)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": _SCHEMAS.get(name, {"type": "string"}),
        }
        for name in route.params
    ]
