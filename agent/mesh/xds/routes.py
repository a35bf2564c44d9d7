"""Routes of a filter chain as Envoy's virtual hosts."""

from collections.abc import Sequence
from typing import Any, Final

from agent.mesh.xds.matching import route_matched
from agent.mesh.xds.names import Json, seconds, typed
from proxy.api import ANY, HashPolicy, HeaderEdits, RetryPolicy, Route, WeightedCluster

RETRY_WORDS: Final = frozenset(
    {
        "5xx", "gateway-error", "reset", "connect-failure", "envoy-ratelimited", "retriable-4xx",
        "refused-stream", "cancelled", "deadline-exceeded", "internal", "resource-exhausted",
        "unavailable",
    }
)  # fmt: skip
PERCENT_PARTS: Final = 10_000  # of one percent, so that 0.01 % can be told


def route_configuration(name: str, routes: Sequence[Route]) -> Json:
    """One virtual host for each set of host names, in the order of its first route.

    Envoy chooses the host first and the route then, so a route of any host is tried in each.
    """
    every = (ANY,)
    told = [(route.match.hosts or every, _route(route)) for route in routes]
    virtual = [
        {
            "name": f"{name}:{number}",
            "domains": _domains(names),
            "routes": [route for hosts, route in told if hosts in (names, every)],
        }
        for number, names in enumerate(dict.fromkeys(hosts for hosts, _ in told))
    ]
    return {"name": name, "virtual_hosts": virtual, "validate_clusters": False}


def _domains(names: tuple[str, ...]) -> list[str]:
    """With any port: clients name it when it is not the scheme's own."""
    with_ports = (f"{name}:*" for name in names if name != ANY)
    return [*names, *with_ports]


def _route(route: Route) -> Json:
    found: Json = {"name": route.name, "match": route_matched(route.match)}
    action: Json = {
        **_clusters(route.clusters),
        "timeout": seconds(route.timeout_s),
        "idle_timeout": seconds(route.idle_timeout_s),
    }
    if route.prefix_rewrite:
        action["prefix_rewrite"] = route.prefix_rewrite
    if route.retry is not None:
        action["retry_policy"] = _retry(route.retry)
    if route.mirror is not None:
        action["request_mirror_policies"] = [
            {
                "cluster": route.mirror.cluster,
                "runtime_fraction": {"default_value": _fraction(route.mirror.percent)},
            }
        ]
    hashes = [policy for each in route.clusters for policy in each.hash_policies]
    if hashes:
        action["hash_policy"] = [_hash(policy) for policy in hashes]
    found["route"] = action
    found |= _edits(route.request_headers, "request") | _edits(route.response_headers, "response")
    filters = _filters(route)
    return {**found, "typed_per_filter_config": filters} if filters else found


def _clusters(shares: tuple[WeightedCluster, ...]) -> Json:
    if len(shares) == 1 and not (shares[0].request_headers.set or shares[0].request_headers.add):
        return {"cluster": shares[0].cluster}
    weighted = [
        {
            "name": share.cluster,
            "weight": share.weight,
            **_edits(share.request_headers, "request"),
            **_edits(share.response_headers, "response"),
        }
        for share in shares
    ]
    return {"weighted_clusters": {"clusters": weighted}}


def _edits(edits: HeaderEdits, side: str) -> Json:
    options: list[Json] = [
        {"header": {"key": key, "value": value}, "append_action": action}
        for pairs, action in (
            (edits.set, "OVERWRITE_IF_EXISTS_OR_ADD"),
            (edits.add, "APPEND_IF_EXISTS_OR_ADD"),
        )
        for key, value in pairs
    ]
    found: Json = {}
    if options:
        found[f"{side}_headers_to_add"] = options
    if edits.remove:
        found[f"{side}_headers_to_remove"] = list(edits.remove)
    return found


def _retry(policy: RetryPolicy) -> Json:
    words = [word for word in policy.on if word in RETRY_WORDS]
    if policy.status_codes:
        words.append("retriable-status-codes")
    found: Json = {"retry_on": ",".join(words), "num_retries": policy.count}
    if policy.status_codes:
        found["retriable_status_codes"] = list(policy.status_codes)
    if policy.per_try_timeout_s:
        found["per_try_timeout"] = seconds(policy.per_try_timeout_s)
    found["retry_back_off"] = {
        "base_interval": seconds(policy.back_off_s),
        "max_interval": seconds(policy.back_off_max_s),
    }
    return found


def _hash(policy: HashPolicy) -> Json:
    found: Json = {"terminal": True} if policy.terminal else {}
    if policy.header:
        return {**found, "header": {"header_name": policy.header}}
    if policy.query_param:
        return {**found, "query_parameter": {"name": policy.query_param}}
    if policy.cookie:
        cookie: Json = {"name": policy.cookie}
        if policy.cookie_path:
            cookie["path"] = policy.cookie_path
        if policy.cookie_ttl_s >= 0:
            cookie["ttl"] = seconds(policy.cookie_ttl_s)
        return {**found, "cookie": cookie}
    return {**found, "connection_properties": {"source_ip": True}}


def _filters(route: Route) -> dict[str, Any]:
    """What the filters of the chain do for this route alone."""
    found: dict[str, Any] = {}
    if route.fault is not None:
        fault: Json = {}
        if route.fault.delay_percent:
            fault["delay"] = {
                "fixed_delay": seconds(route.fault.delay_s),
                "percentage": _fraction(route.fault.delay_percent),
            }
        if route.fault.abort_percent:
            fault["abort"] = {
                "http_status": route.fault.abort_status,
                "percentage": _fraction(route.fault.abort_percent),
            }
        found["fault"] = typed("filters.http.fault.v3.HTTPFault", fault)
    if route.rate_limit is not None:
        limit = rate_limit(route.rate_limit.per_second, route.rate_limit.burst)
        found["limit"] = typed("filters.http.local_ratelimit.v3.LocalRateLimit", limit)
    return found


def rate_limit(per_second: float, burst: float) -> Json:
    """A token bucket that is enforced. Envoy fills it once a second."""
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "stat_prefix": "limit",
        "token_bucket": {
            "max_tokens": max(1, round(burst)),
            "tokens_per_fill": max(1, round(per_second)),
            "fill_interval": "1s",
        },
        "filter_enabled": always,
        "filter_enforced": always,
    }


def _fraction(percent: float) -> Json:
    return {"numerator": round(percent * PERCENT_PARTS), "denominator": "MILLION"}
