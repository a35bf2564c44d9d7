"""From a discovery chain to routes: what is matched, where it goes, what happens on the way.

A router gives a route each; a splitter, or a resolver alone, one that takes everything. Each route
says which entry its timeout is from. Source: Consul, service-router and service-splitter.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from agent.mesh.snapshot_clusters import Dialling, cluster_name, cluster_of, hash_policies
from agent.mesh.snapshot_policy import header_matches
from catalog.chain.compiled import (
    RESOLVER,
    ROUTER,
    SPLITTER,
    ChainNode,
    ChainRoute,
    ChainSplit,
    CompiledChain,
    is_http_like,
)
from catalog.duration import SECOND
from catalog.rows.config_entry.service_router import (
    HeaderModifiers,
    RouteDestination,
    RouteHTTPMatch,
)
from proxy.api import (
    IDLE_TIMEOUT_S,
    REQUEST_TIMEOUT_S,
    Cluster,
    Fault,
    HashPolicy,
    HeaderEdits,
    Mirror,
    QueryMatch,
    RateLimit,
    RetryPolicy,
    Route,
    RouteMatch,
    WeightedCluster,
)

SHARE_OF_PERCENT: Final = 100
"""Weights of clusters are hundredths of a percent, as precise as splits are."""
DEFAULT: Final = "default"
RETRY_ON_CONNECT_FAILURE: Final = "connect-failure"


class Routed(NamedTuple):
    """The routes of a chain, and the clusters that they lead to."""

    routes: tuple[Route, ...]
    clusters: tuple[Cluster, ...]


def routes_of(chain: CompiledChain, dialling: Dialling) -> Routed:
    """Everything of a chain."""
    start = chain.nodes[chain.start_node]
    if start.type == ROUTER and is_http_like(chain.protocol):
        routes = tuple(
            _router_route(start, number, route, chain)
            for number, route in enumerate(start.routes or ())
        )
    else:
        routes = (_plain_route(start, chain),)
    return Routed(routes, clusters_of(chain, dialling))


def clusters_of(chain: CompiledChain, dialling: Dialling) -> tuple[Cluster, ...]:
    """The cluster of each resolver."""
    return tuple(
        cluster_of(node, chain, dialling) for node in chain.nodes.values() if node.type == RESOLVER
    )


def adopt(
    routes: tuple[Route, ...], found: Iterable[Cluster], clusters: dict[str, Cluster], listener: str
) -> tuple[Route, ...]:
    """Add the clusters of a listener; one that another has with other settings gets its own name.

    The routes come back with the names that their clusters have now.
    """
    renamed: dict[str, str] = {}
    for cluster in found:
        name = cluster.name
        if clusters.setdefault(name, cluster) != cluster:
            name = renamed[cluster.name] = f"{cluster.name}@{listener}"
            clusters[name] = replace(cluster, name=name)
    return tuple(_renamed(route, renamed) for route in routes) if renamed else routes


def _renamed(route: Route, names: dict[str, str]) -> Route:
    mirror = route.mirror
    return replace(
        route,
        clusters=tuple(
            replace(share, cluster=names.get(share.cluster, share.cluster))
            for share in route.clusters
        ),
        mirror=mirror and replace(mirror, cluster=names.get(mirror.cluster, mirror.cluster)),
    )


def _plain_route(node: ChainNode, chain: CompiledChain) -> Route:
    """The one route of a chain without a router."""
    timeout_s, source = _timeout(None, node, "", chain)
    return Route(
        name=node.key,
        clusters=shares(node, chain),
        timeout_s=timeout_s,
        timeout_from=source,
    )


def _router_route(router: ChainNode, number: int, route: ChainRoute, chain: CompiledChain) -> Route:
    destination = route.definition.destination or RouteDestination()
    http = (route.definition.match and route.definition.match.http) or RouteHTTPMatch()
    name = f"router:{chain.service_name}[{number}]"
    following = chain.nodes[route.next_node]
    timeout_s, source = _timeout(destination, following, name, chain)
    return Route(
        name=name,
        match=_match(http),
        clusters=shares(following, chain),
        prefix_rewrite=destination.prefix_rewrite,
        timeout_s=timeout_s,
        timeout_from=source,
        idle_timeout_s=_limit_s(destination.idle_timeout, IDLE_TIMEOUT_S),
        retry=retries(destination),
        request_headers=header_edits(destination.request_headers),
        response_headers=header_edits(destination.response_headers),
        mirror=_mirror(route, destination, chain),
        fault=_fault(destination),
        rate_limit=_rate_limit(destination),
    )


def shares(node: ChainNode, chain: CompiledChain) -> tuple[WeightedCluster, ...]:
    """The clusters that a splitter or a resolver leads to, in ten-thousandths."""
    if node.type == SPLITTER:
        hashed = _split_hashes(node, chain)
        return tuple(
            replace(_split_share(split, node, chain), hash_policies=hashed)
            for split in node.splits or ()
        )
    return (_whole(node, chain),)


def _whole(node: ChainNode, chain: CompiledChain) -> WeightedCluster:
    assert node.resolver is not None
    return WeightedCluster(
        cluster=cluster_name(node.resolver.target, chain),
        node=node.key,
        hash_policies=hash_policies(node.load_balancer),
    )


def _split_share(split: ChainSplit, splitter: ChainNode, chain: CompiledChain) -> WeightedCluster:
    resolver = chain.nodes[split.next_node].resolver
    assert resolver is not None
    definition = split.definition
    return WeightedCluster(
        cluster=cluster_name(resolver.target, chain),
        weight=round(split.weight * SHARE_OF_PERCENT),
        node=splitter.key,
        request_headers=header_edits(definition.request_headers if definition else None),
        response_headers=header_edits(definition.response_headers if definition else None),
    )


def _split_hashes(splitter: ChainNode, chain: CompiledChain) -> tuple[HashPolicy, ...]:
    """The hash policies of the splitter, or of the first of its targets that has any."""
    targets = (chain.nodes[split.next_node] for split in splitter.splits or ())
    for node in (splitter, *targets):
        if found := hash_policies(node.load_balancer):
            return found
    return ()


def _timeout(
    destination: RouteDestination | None, node: ChainNode, route: str, chain: CompiledChain
) -> tuple[float, str]:
    """How long a request may take, and who says so; 0 is for ever."""
    if destination is not None and destination.request_timeout:
        return max(destination.request_timeout, 0) / SECOND, f"{route} RequestTimeout"
    first = node
    if node.type == SPLITTER and node.splits:
        first = chain.nodes[node.splits[0].next_node]
    resolver = first.resolver
    if resolver is not None and resolver.request_timeout > 0:
        return resolver.request_timeout / SECOND, f"{first.key} RequestTimeout"
    return REQUEST_TIMEOUT_S, DEFAULT


def _limit_s(nanoseconds: int, default_s: float) -> float:
    """A time that is the default when it is 0, and none when it is negative."""
    return max(nanoseconds, 0) / SECOND if nanoseconds else default_s


def _match(http: RouteHTTPMatch) -> RouteMatch:
    # The path prefix "/" takes everything: nothing needs to be compared.
    prefix = "" if http.path_prefix == "/" else http.path_prefix
    return RouteMatch(
        path_exact=http.path_exact,
        path_prefix=prefix,
        path_regex=http.path_regex,
        ignore_case=http.case_insensitive,
        headers=header_matches(http.header),
        query=tuple(
            QueryMatch(name=each.name, present=each.present, exact=each.exact, regex=each.regex)
            for each in http.query_param or ()
        ),
        methods=http.methods or (),
    )


def retries(destination: RouteDestination) -> RetryPolicy | None:
    """When requests of a route are sent again; None is never."""
    on = list(destination.retry_on or ())
    if destination.retry_on_connect_failure and RETRY_ON_CONNECT_FAILURE not in on:
        on.append(RETRY_ON_CONNECT_FAILURE)
    codes = destination.retry_on_status_codes or ()
    if not on and not codes:
        return None  # a number of retries alone is no reason to retry
    usual = RetryPolicy()
    back_off = destination.retry_back_off
    base_s = (back_off.base_interval if back_off else 0) / SECOND or usual.back_off_s
    longest_s = (back_off.max_interval if back_off else 0) / SECOND
    return RetryPolicy(
        on=tuple(on),
        status_codes=codes,
        count=destination.num_retries or usual.count,
        per_try_timeout_s=destination.per_try_timeout / SECOND,
        back_off_s=base_s,
        # Ten times the first pause, as Envoy does, where nobody says it.
        back_off_max_s=max(longest_s or 10 * base_s, base_s),
    )


def header_edits(row: HeaderModifiers | None) -> HeaderEdits:
    """Changes of headers as a proxy knows them."""
    if row is None:
        return HeaderEdits()
    return HeaderEdits(
        add=tuple((row.add or {}).items()),
        set=tuple((row.set or {}).items()),
        remove=row.remove or (),
    )


def _mirror(
    route: ChainRoute, destination: RouteDestination, chain: CompiledChain
) -> Mirror | None:
    row, node = destination.mirror, chain.nodes.get(route.mirror_node)
    if row is None or node is None:
        return None
    usual = Mirror(cluster="")
    return Mirror(
        cluster=shares(node, chain)[0].cluster,
        percent=usual.percent if row.percent is None else row.percent,
        body_bytes_max=row.body_bytes_max or usual.body_bytes_max,
    )


def _fault(destination: RouteDestination) -> Fault | None:
    row = destination.fault
    if row is None:
        return None
    delay_percent = 100.0 if row.delay_percent is None else row.delay_percent
    abort_percent = 100.0 if row.abort_percent is None else row.abort_percent
    return Fault(
        delay_s=row.delay / SECOND,
        delay_percent=delay_percent if row.delay else 0.0,
        abort_status=row.abort_status,
        abort_percent=abort_percent if row.abort_status else 0.0,
    )


def _rate_limit(destination: RouteDestination) -> RateLimit | None:
    row = destination.rate_limit
    if row is None or not row.requests_per_second:
        return None
    return rate_limit(row.requests_per_second, row.requests_max_burst)


def rate_limit(per_second: int, burst: int) -> RateLimit:
    """A limit; a burst of 0 is as many as a second's."""
    return RateLimit(per_second=float(per_second), burst=float(burst or per_second))
