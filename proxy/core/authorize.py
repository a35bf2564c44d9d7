"""Who may come in: intentions decide on a connection, and on each request of it.

The first intention of the source, or of ``*``, decides alone, by precedence. Its permissions are
tried in order; if none matches, the default decides. What cannot be told counts against the peer:
a deny rule holds if it holds for any of `RequestFacts.readings` (and ignores case, takes a missing
header for one of another value, and what is no regular expression for one that matches), an allow
rule only if it holds for all of them.

Source: Consul, service-intentions; the reasons are those of its authorize endpoint.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from proxy.api import ANY, Intention, JwtRequirement, Permission, Policy
from proxy.connection import Peer
from proxy.core.claims import Claims, meets
from proxy.core.condition import Test, header_test, pattern
from proxy.core.memo import Memo
from proxy.core.path import canonical
from proxy.core.request import RequestFacts

NO_PEER: Final = "No client certificate"
NOT_A_SERVICE: Final = "The client certificate is not of a service"
FOREIGN: Final = "The trust domain of the client certificate is foreign"
DEFAULT_REASON: Final = "Default intention policy"
NO_CLAIMS: Final[Mapping[str, Claims]] = {}

Rule = Callable[[RequestFacts, Mapping[str, Claims]], bool]


class Decision(msgspec.Struct, frozen=True):
    """Whether, and why: by which intention, by the how many-th of its permissions (from 0)."""

    allowed: bool
    reason: str
    intention: Intention | None = None
    rule: int | None = None


def decide_connection(policy: Policy, peer: Peer | None) -> Decision:
    """May the peer connect? An intention with permissions is about requests alone: no."""
    ready = _ready(policy)
    if isinstance(found := _intention_of(ready, policy, peer), Decision):
        return found
    return found.connection


def decide_request(
    policy: Policy,
    peer: Peer | None,
    facts: RequestFacts,
    verified_claims: Mapping[str, Claims] = NO_CLAIMS,
) -> Decision:
    """May the peer make this request? ``verified_claims``: of valid tokens, by provider."""
    ready = _ready(policy)
    if isinstance(found := _intention_of(ready, policy, peer), Decision):
        return found
    if found.jwt is not None and not meets(found.jwt, verified_claims):
        return found.without_token
    if not found.rules:
        return found.connection
    for rule, decision in found.rules:
        if rule(facts, verified_claims):
            return decision
    return ready.default


def is_shut_out(policy: Policy, peer: Peer | None) -> bool:
    """Whether the peer may make no request at all, whatever it asks for."""
    ready = _ready(policy)
    found = _intention_of(ready, policy, peer)
    if isinstance(found, Decision):
        return not found.allowed
    if not found.rules:
        return not found.connection.allowed
    return not ready.default.allowed and not any(each.allowed for _, each in found.rules)


class _ReadyIntention(msgspec.Struct, frozen=True):
    """An intention with all decisions that it can lead to."""

    connection: Decision
    without_token: Decision
    jwt: JwtRequirement | None
    rules: tuple[tuple[Rule, Decision], ...]


class _ReadyPolicy(msgspec.Struct, frozen=True):
    """A policy by source: ``sources`` has those that are named, lower case, ``any`` is ``*``."""

    sources: dict[str, _ReadyIntention]
    any: _ReadyIntention | None
    default: Decision


def _intention_of(
    ready: _ReadyPolicy, policy: Policy, peer: Peer | None
) -> _ReadyIntention | Decision:
    if peer is None:
        return Decision(False, NO_PEER)
    if peer.trust_domain not in policy.trust_domains:
        return Decision(False, FOREIGN)
    if not peer.service:
        return Decision(False, NOT_A_SERVICE)
    return ready.sources.get(peer.service.lower()) or ready.any or ready.default


def _make_ready(policy: Policy) -> _ReadyPolicy:
    sources: dict[str, _ReadyIntention] = {}
    whole: _ReadyIntention | None = None
    for intention in sorted(policy.intentions, key=lambda each: -each.precedence):
        ready = _ready_intention(intention, policy)
        if intention.source != ANY:
            # Behind one of "*" it is never reached.
            sources.setdefault(intention.source.lower(), whole or ready)
        elif whole is None:
            whole = ready
    reason = policy.default_reason or DEFAULT_REASON
    return _ReadyPolicy(sources, whole, Decision(policy.default_allow, reason))


def _ready_intention(intention: Intention, policy: Policy) -> _ReadyIntention:
    kind = "L7 intention" if intention.permissions else "intention"
    reason = f"Matched {kind}: {intention.name or _described(intention, policy)}"
    allow = intention.allow and not intention.permissions
    jwt = intention.jwt
    return _ReadyIntention(
        connection=Decision(allow, reason, intention),
        without_token=Decision(False, f"{reason}: {_wanted(jwt)}" if jwt else "", intention),
        jwt=jwt if intention.allow or intention.permissions else None,
        rules=tuple(
            (_rule(permission), Decision(permission.allow, reason, intention, number))
            for number, permission in enumerate(intention.permissions)
        ),
    )


def _described(intention: Intention, policy: Policy) -> str:
    what = (
        f"Permissions: {len(intention.permissions)}"
        if intention.permissions
        else f"Action: {'ALLOW' if intention.allow else 'DENY'}"
    )
    return (
        f"default/{intention.source} => default/{policy.destination} "
        f"(Precedence: {intention.precedence}, {what})"
    )


def _wanted(jwt: JwtRequirement) -> str:
    return "no valid token of " + " or ".join(name for name, _ in jwt.providers)


def _rule(permission: Permission) -> Rule:
    """Whether a permission applies to a request."""
    path = _path_rule(permission)
    allow = permission.allow
    headers = tuple(header_test(each, when_unclear=not allow) for each in permission.headers)
    methods = frozenset(method.upper().encode() for method in permission.methods)
    jwt = permission.jwt

    def applies(facts: RequestFacts, claims: Mapping[str, Claims]) -> bool:
        if methods and (facts.method if allow else facts.method.upper()) not in methods:
            return False
        if path is not None and not path(facts.readings):
            return False
        for holds in headers:
            if not holds(facts):
                return False
        return jwt is None or meets(jwt, claims)

    return applies


def _path_rule(permission: Permission) -> Callable[[tuple[bytes, ...]], bool] | None:
    """Whether a rule on paths holds for the readings of a path; None if there is no such rule."""
    ignore_case = is_denial = not permission.allow
    if permission.path_regex:
        compiled = pattern(permission.path_regex, ignore_case=ignore_case)
        if compiled is None:
            return lambda _readings: is_denial
        as_it_is = as_read = compiled
    elif text := permission.path_exact or permission.path_prefix:
        is_prefix = not permission.path_exact
        as_it_is = _text_test(text.encode(), is_prefix=is_prefix, ignore_case=ignore_case)
        read = canonical(text.encode())
        as_read = _text_test(read, is_prefix=is_prefix, ignore_case=ignore_case)
    else:
        return None

    def holds(readings: tuple[bytes, ...]) -> bool:
        if len(readings) == 1:
            return as_it_is(readings[0])
        if is_denial:
            return as_it_is(readings[0]) or as_read(readings[1])
        return as_it_is(readings[0]) and as_read(readings[1])

    return holds


def _text_test(wanted: bytes, *, is_prefix: bool, ignore_case: bool) -> Test:
    if ignore_case:
        wanted = wanted.lower()
        if is_prefix:
            return lambda path: path.lower().startswith(wanted)
        return lambda path: path.lower() == wanted
    if is_prefix:
        return lambda path: path.startswith(wanted)
    return wanted.__eq__


def _parts(policy: Policy) -> int:
    return sum(1 + len(intention.permissions) for intention in policy.intentions)


_ready = Memo(_make_ready, _parts)
