"""Refuse prepared queries that cannot be stored. Source: Consul API, /v1/query."""

import re
from collections.abc import Mapping
from typing import Final

from catalog.duration import parse_duration
from catalog.errors import Invalid
from catalog.rows.query import PreparedQuery
from catalog.selection.template import compile_template

HIDDEN_TOKEN: Final = "<hidden>"  # noqa: S105 - what is shown in the place of a token
META_COUNT_MAX: Final = 64
"""Pairs of metadata, as nodes and services have at most."""
META_KEY_CHARACTERS_MAX: Final = 128
META_VALUE_CHARACTERS_MAX: Final = 512

_META_KEY: Final = re.compile(r"[a-zA-Z0-9_-]+")


def validate_query(query: PreparedQuery) -> None:
    """Raise Invalid, in Consul's words, if a query is wrong in itself.

    That its name is free and its session exists is for the one who stores it to see.
    """
    fault = _fault(query)
    if fault:
        raise Invalid(f"Invalid prepared query: {fault}")
    if query.template.type:
        compile_template(query)


def _fault(query: PreparedQuery) -> str:
    service = query.service
    if not (query.name or query.session or query.template.type):
        return "Must be bound to a session"
    if query.token == HIDDEN_TOKEN:
        return (
            f"Bad Token '{HIDDEN_TOKEN}', it looks like a query definition with a redacted token "
            "was submitted"
        )
    if not service.service:
        return "Must provide a Service name to query"
    if service.failover.nearest_n < 0:
        return f"Bad NearestN '{service.failover.nearest_n}', must be >= 0"
    return (
        _meta_fault("Node", service.node_meta)
        or _meta_fault("Service", service.service_meta)
        or _ttl_fault(query.dns.ttl)
    )


def _ttl_fault(ttl: str) -> str:
    if not ttl:
        return ""
    try:
        nanoseconds = parse_duration(ttl)
    except ValueError as refused:
        return f"Bad DNS TTL '{ttl}': {refused}"
    return "" if nanoseconds >= 0 else f"DNS TTL '{nanoseconds}', must be >=0"


def _meta_fault(whose: str, meta: Mapping[str, str] | None) -> str:
    if meta and len(meta) > META_COUNT_MAX:
        return f"{whose} metadata cannot contain more than {META_COUNT_MAX} key/value pairs"
    for key, value in (meta or {}).items():
        fault = ""
        if not key:
            fault = "Key cannot be blank"
        elif not _META_KEY.fullmatch(key):
            fault = "Key contains invalid characters"
        elif len(key) > META_KEY_CHARACTERS_MAX:
            fault = f"Key is too long (limit: {META_KEY_CHARACTERS_MAX} characters)"
        elif len(value) > META_VALUE_CHARACTERS_MAX:
            fault = f"Value is too long (limit: {META_VALUE_CHARACTERS_MAX} characters)"
        if fault:
            return f"Couldn't load metadata pair ('{key}', '{value}'): {fault}"
    return ""
