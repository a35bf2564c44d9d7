"""A policy as rules of Envoy's role-based access control.

The first intention of a source decides alone, and so does the first permission that matches; Envoy
knows only sets of rules without an order. So a rule leaves out what the ones before it decide. The
rules say what differs from the default: whom to let in where the default is to deny, and the other
way round. A permission that asks for a token matches nobody here if it allows, and everybody if it
denies: Envoy is not told of the keys.
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from agent.mesh.xds.matching import headers_matched, path_matched
from agent.mesh.xds.names import Json
from proxy.api import ANY, Intention, Permission, Policy

EVERY: Json = {"any": True}


def rules_of(policy: Policy, *, is_http: bool) -> Json:
    """The ``rules`` of an access filter, of connections or of requests."""
    found: Json = {}
    earlier: list[Json] = []
    for number, intention in enumerate(policy.intentions):
        who = source_matched(intention.source)
        permissions = _differing(intention, default_allow=policy.default_allow, is_http=is_http)
        if permissions:
            principal = _and([who, *(_not(each) for each in earlier)], "and_ids")
            found[f"{number}:{intention.source}"] = {
                "permissions": permissions,
                "principals": [principal],
            }
        earlier.append(who)
    action = "DENY" if policy.default_allow else "ALLOW"
    if policy.default_allow:
        # Who is nobody in this mesh is refused whatever the default.
        found["foreign"] = {
            "permissions": [EVERY],
            "principals": [_not(source_matched(ANY))],
        }
    return {"action": action, "policies": found}


def source_matched(source: str) -> Json:
    """The principal of a service, in any datacenter of the mesh; ``*``: of every service."""
    # As a certificate writes it; names differ by more than their case, here and in the proxy.
    name = "[^/]+" if source == ANY else f"(?i:{re.escape(quote(source, safe=''))})"
    uri = f"spiffe://[^/]+/ns/[^/]+/dc/[^/]+/svc/{name}"
    matcher = {"safe_regex": {"regex": uri}}
    return {"authenticated": {"principal_name": matcher}}


def _differing(intention: Intention, *, default_allow: bool, is_http: bool) -> list[Json]:
    """What of an intention is not the default."""
    if intention.jwt is not None:
        return [EVERY] if default_allow else []
    if not intention.permissions:
        return [EVERY] if intention.allow != default_allow else []
    if not is_http:
        return [EVERY] if default_allow else []
    return list(_permissions(intention.permissions, default_allow=default_allow))


def _permissions(permissions: Sequence[Permission], *, default_allow: bool) -> Iterable[Json]:
    earlier: list[Json] = []
    for permission in permissions:
        matched = _request_matched(permission)
        is_closed = permission.jwt is not None
        if is_closed and permission.allow and not default_allow:
            continue
        if permission.allow != default_allow or (is_closed and default_allow):
            yield _and([matched, *(_not(each, "not_rule") for each in earlier)], "and_rules")
        earlier.append(matched)


def _request_matched(permission: Permission) -> Json:
    rules = headers_matched(permission.headers, permission.methods)
    found: list[Json] = [{"header": rule} for rule in rules]
    path = path_matched(permission.path_exact, permission.path_prefix, permission.path_regex)
    if path is not None:
        found.append({"url_path": {"path": path}})
    return _and(found, "and_rules")


def _and(parts: list[Json], key: str) -> Json:
    if not parts:
        return EVERY
    if len(parts) == 1:
        return parts[0]
    return {key: {"rules" if key == "and_rules" else "ids": parts}}


def _not(part: Json, key: str = "not_id") -> Json:
    return {key: part}
