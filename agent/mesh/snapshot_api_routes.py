"""From the http-routes of an API gateway to routes: matches by precedence, shares, filters.

The most specific match comes first, whichever entry it is of: an exact host before a wildcard, an
exact path before a prefix, a longer prefix before a shorter one, more conditions before fewer.
Source: Consul, http-route; Gateway API, HTTPRouteRule.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from agent.mesh.snapshot_clusters import Dialling
from agent.mesh.snapshot_routes import DEFAULT, adopt, clusters_of, header_edits, retries, shares
from agent.mesh.watch_questions import Chain
from catalog.chain.compiled import ROUTER, CompiledChain, is_http_like
from catalog.duration import SECOND
from catalog.rows.config_entry import HTTPRoute
from catalog.rows.config_entry.http_route import (
    HTTPMatch,
    HTTPRouteRule,
    HTTPRouteService,
    ResponseFilters,
    ValueMatch,
)
from catalog.rows.config_entry.service_router import HeaderModifiers, RouteDestination
from proxy.api import (
    IDLE_TIMEOUT_S,
    REQUEST_TIMEOUT_S,
    Cluster,
    HeaderEdits,
    HeaderMatch,
    QueryMatch,
    Route,
    RouteMatch,
    WeightedCluster,
)


class Attached(NamedTuple):
    """The routes that are attached to a listener, and the host name that it is for (or none)."""

    entries: list[HTTPRoute]
    hostname: str
    dialling: Dialling


def http_routes(
    attached: Attached, clusters: dict[str, Cluster], listener: str
) -> tuple[Route, ...]:
    """All routes of a listener, the most specific first."""
    found: list[Route] = []
    for entry in attached.entries:
        hosts = hosts_of(entry.hostnames or (), attached.hostname)
        if hosts is None:
            continue
        for number, rule in enumerate(entry.rules or ()):
            name = f"http-route:{entry.name}[{number}]"
            targets = tuple(_targets(rule, attached.dialling, clusters, listener + name))
            if targets:
                found += _rule_routes(name, rule, hosts, targets)
    return tuple(sorted(found, key=_precedence))


def hosts_of(wanted: Iterable[str], hostname: str) -> tuple[str, ...] | None:
    """The hosts of a route at a listener: those that both take; None if there are none.

    Empty is all hosts.
    """
    names = tuple(wanted)
    if hostname in {"", "*"}:
        return names
    if not names or "*" in names:
        return (hostname,)
    both = tuple(
        name if _covers(hostname, name) else hostname
        for name in names
        if _covers(hostname, name) or _covers(name, hostname)
    )
    return both or None


def _covers(wide: str, narrow: str) -> bool:
    """Whether every host that ``narrow`` takes is taken by ``wide``."""
    return wide == narrow or (wide.startswith("*.") and narrow.endswith(wide[1:]))


def _rule_routes(
    name: str,
    rule: HTTPRouteRule,
    hosts: tuple[str, ...],
    targets: tuple[WeightedCluster, ...],
) -> Iterable[Route]:
    """A route for each match of a rule."""
    filters = rule.filters
    timeout, retry = filters.timeout_filter, filters.retry_filter
    request_s = timeout.request_timeout / SECOND if timeout else 0.0
    idle_s = timeout.idle_timeout / SECOND if timeout else 0.0
    again = retry and RouteDestination(
        num_retries=retry.num_retries,
        retry_on=retry.retry_on,
        retry_on_status_codes=retry.retry_on_status_codes,
        retry_on_connect_failure=retry.retry_on_connect_failure,
    )
    route = Route(
        name=name,
        clusters=targets,
        prefix_rewrite=filters.url_rewrite.path if filters.url_rewrite else "",
        timeout_s=request_s or REQUEST_TIMEOUT_S,
        timeout_from=f"{name} TimeoutFilter" if request_s else DEFAULT,
        idle_timeout_s=idle_s or IDLE_TIMEOUT_S,
        retry=retries(again) if again else None,
        request_headers=_edits(filters.headers),
        response_headers=_answer_edits(rule.response_filters),
    )
    for match in rule.matches or (HTTPMatch(),):
        yield replace(route, match=_match(match, hosts))


def _targets(
    rule: HTTPRouteRule, dialling: Dialling, clusters: dict[str, Cluster], place: str
) -> Iterable[WeightedCluster]:
    """The clusters of a rule's services, with the share of each."""
    for service in rule.services or ():
        chain = dialling.answers.ask(Chain(service.name, dialling.place.datacenter))
        if chain is None or not is_http_like(chain.protocol):
            continue  # what carries bytes has no requests
        (route,) = adopt(
            (Route(name=service.name, clusters=tuple(_shares(service, chain))),),
            clusters_of(chain, dialling),
            clusters,
            place,
        )
        yield from route.clusters


def _shares(service: HTTPRouteService, chain: CompiledChain) -> Iterable[WeightedCluster]:
    start = chain.nodes[chain.start_node]
    if start.type == ROUTER and start.routes:
        start = chain.nodes[start.routes[-1].next_node]
    edits = _edits(service.filters.headers)
    answers = _answer_edits(service.response_filters)
    for share in shares(start, chain):
        yield replace(
            share,
            weight=service.weight * share.weight,
            request_headers=joined(edits, share.request_headers),
            response_headers=joined(share.response_headers, answers),
        )


def joined(first: HeaderEdits, then: HeaderEdits) -> HeaderEdits:
    """Changes one after the other."""
    return HeaderEdits(
        add=first.add + then.add, set=first.set + then.set, remove=first.remove + then.remove
    )


def _edits(rows: tuple[HeaderModifiers, ...] | None) -> HeaderEdits:
    edits = HeaderEdits()
    for row in rows or ():
        edits = joined(edits, header_edits(row))
    return edits


def _answer_edits(filters: ResponseFilters | None) -> HeaderEdits:
    return _edits(filters.headers if filters else None)


def _match(row: HTTPMatch, hosts: tuple[str, ...]) -> RouteMatch:
    path = row.path
    return RouteMatch(
        hosts=hosts,
        path_exact=path.value if path.match == "exact" else "",
        path_prefix=path.value if path.match == "prefix" and path.value != "/" else "",
        path_regex=path.value if path.match == "regex" else "",
        headers=tuple(map(_header, row.headers or ())),
        query=tuple(map(_query, row.query or ())),
        methods=(row.method,) if row.method else (),
    )


def _header(row: ValueMatch) -> HeaderMatch:
    return HeaderMatch(
        name=row.name,
        present=row.match == "present",
        exact=row.value if row.match == "exact" else "",
        prefix=row.value if row.match == "prefix" else "",
        suffix=row.value if row.match == "suffix" else "",
        regex=row.value if row.match == "regex" else "",
    )


def _query(row: ValueMatch) -> QueryMatch:
    return QueryMatch(
        name=row.name,
        present=row.match == "present",
        exact=row.value if row.match == "exact" else "",
        regex=row.value if row.match == "regex" else "",
    )


def _precedence(route: Route) -> tuple[int, int, int, int, int, int]:
    """Smaller is tried first; equal ones keep the order of the entries."""
    match = route.match
    if not match.hosts or "*" in match.hosts:
        host = 2
    else:
        host = 1 if any(name.startswith("*") for name in match.hosts) else 0
    path = 0 if match.path_exact else 1 if match.path_prefix or match.path_regex else 2
    length = len(match.path_prefix or match.path_regex)
    conditions = (len(match.methods), len(match.headers), len(match.query))
    return (host, path, -length, -conditions[0], -conditions[1], -conditions[2])
