"""Conditions on requests in Envoy's words."""

import re
from collections.abc import Sequence

from agent.mesh.xds.names import Json
from proxy.api import HeaderMatch, QueryMatch, RouteMatch


def route_matched(match: RouteMatch) -> Json:
    """The ``match`` of a route."""
    found: Json = {}
    if match.path_exact:
        found["path"] = match.path_exact
    elif match.path_regex:
        found["safe_regex"] = {"regex": match.path_regex}
    else:
        found["prefix"] = match.path_prefix or "/"
    if match.ignore_case:
        found["case_sensitive"] = False
    if headers := headers_matched(match.headers, match.methods):
        found["headers"] = headers
    if match.query:
        found["query_parameters"] = [_query_matched(query) for query in match.query]
    return found


def path_matched(exact: str, prefix: str, regex: str) -> Json | None:
    """A condition on a path alone; None if there is none."""
    if exact:
        return {"exact": exact}
    if prefix:
        return {"prefix": prefix}
    return {"safe_regex": {"regex": regex}} if regex else None


def headers_matched(headers: Sequence[HeaderMatch], methods: Sequence[str]) -> list[Json]:
    """Conditions on headers, and on the method, which Envoy has as one."""
    found = [_header_matched(header) for header in headers]
    if methods:
        alternatives = "|".join(re.escape(method) for method in methods)
        matcher = {"safe_regex": {"regex": alternatives}}
        found.append({"name": ":method", "string_match": matcher})
    return found


def _header_matched(header: HeaderMatch) -> Json:
    found: Json = {"name": header.name}
    if header.present:
        found["present_match"] = True
    else:
        found["string_match"] = _text_matched(header)
    if header.invert:
        found["invert_match"] = True
    return found


def _text_matched(header: HeaderMatch) -> Json:
    if header.regex:
        return {"safe_regex": {"regex": header.regex}}
    for way in ("exact", "prefix", "suffix", "contains"):
        if text := getattr(header, way):
            return {way: text, "ignore_case": True} if header.ignore_case else {way: text}
    return {"exact": ""}


def _query_matched(query: QueryMatch) -> Json:
    if query.present:
        return {"name": query.name, "present_match": True}
    matcher = {"safe_regex": {"regex": query.regex}} if query.regex else {"exact": query.exact}
    return {"name": query.name, "string_match": matcher}
