"""From http-routes to routes."""

import pytest

from agent.mesh.snapshot_api_routes import Attached, hosts_of, http_routes
from agent.mesh.snapshot_ingress import dialling_of
from catalog.duration import SECOND
from catalog.rows.config_entry import (
    ConfigEntry,
    HTTPRoute,
    ServiceDefaults,
    ServiceResolver,
    ServiceRouter,
    ServiceSplitter,
    normalize,
)
from catalog.rows.config_entry import http_route as rows
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.config_entry.service_router import HeaderModifiers
from catalog.rows.config_entry.service_router import Route as RouterRoute
from catalog.rows.config_entry.service_splitter import Split
from proxy.api import (
    Cluster,
    HeaderEdits,
    HeaderMatch,
    QueryMatch,
    RetryPolicy,
    Route,
    RouteMatch,
)
from tests.agent.mesh.world import PLACE, TRUST_DOMAIN, World

HTTP = (ServiceDefaults(name="web", protocol="http"), ServiceDefaults(name="api", protocol="http"))


def rule(
    *services: rows.HTTPRouteService,
    matches: tuple[rows.HTTPMatch, ...] | None = None,
    filters: rows.HTTPFilters | None = None,
    response_filters: rows.ResponseFilters | None = None,
) -> rows.HTTPRouteRule:
    return rows.HTTPRouteRule(
        matches=matches,
        services=services or (rows.HTTPRouteService(name="web"),),
        filters=filters or rows.HTTPFilters(),
        response_filters=response_filters,
    )


def by_path(match: str, value: str, **rest: object) -> rows.HTTPMatch:
    return rows.HTTPMatch(path=rows.PathMatch(match=match, value=value), **rest)  # type: ignore[arg-type] # fields by name


def routes(
    *rules: rows.HTTPRouteRule, entries: tuple[ConfigEntry, ...] = (), hostname: str = ""
) -> tuple[Route, ...]:
    entry = normalize(HTTPRoute(name="r", rules=rules, hostnames=("a.example",)))
    assert isinstance(entry, HTTPRoute)
    answers = World(*HTTP, *entries).answers()
    dialling = dialling_of("gate", PLACE, TRUST_DOMAIN, answers)
    clusters: dict[str, Cluster] = {}
    found = http_routes(Attached([entry], hostname, dialling), clusters, "l:")
    assert all(share.cluster in clusters for route in found for share in route.clusters)
    return found


def test_each_match_of_a_rule_is_a_route_to_its_services() -> None:
    first, second = routes(rule(matches=(by_path("exact", "/a"), by_path("exact", "/b"))))

    assert ["/a", "/b"] == [first.match.path_exact, second.match.path_exact]
    assert {"http-route:r[0]"} == {first.name, second.name}
    assert ("a.example",) == first.match.hosts
    assert ["web.default.dc1"] == [share.cluster for share in first.clusters]


def test_a_rule_without_matches_takes_everything() -> None:
    (route,) = routes(rule())

    assert RouteMatch(hosts=("a.example",)) == route.match


def test_the_most_specific_match_comes_first() -> None:
    found = routes(
        rule(matches=(by_path("prefix", "/"),)),
        rule(matches=(by_path("prefix", "/a"),)),
        rule(matches=(by_path("prefix", "/a/b"),)),
        rule(matches=(by_path("exact", "/a"),)),
        rule(matches=(by_path("prefix", "/a", method="GET"),)),
    )

    assert [3, 2, 4, 1, 0] == [int(route.name[-2]) for route in found]


def test_all_conditions_are_kept() -> None:
    match = by_path(
        "regex",
        "/v[12]",
        method="get",
        headers=tuple(
            rows.ValueMatch(match=how, name=how, value="v")
            for how in ("exact", "prefix", "suffix", "regex", "present")
        ),
        query=(rows.ValueMatch(match="exact", name="q", value="v"),),
    )

    (route,) = routes(rule(matches=(match,)))

    assert ("/v[12]", ("GET",)) == (route.match.path_regex, route.match.methods)
    assert (
        HeaderMatch(name="exact", exact="v"),
        HeaderMatch(name="prefix", prefix="v"),
        HeaderMatch(name="suffix", suffix="v"),
        HeaderMatch(name="regex", regex="v"),
        HeaderMatch(name="present", present=True),
    ) == route.match.headers
    assert (QueryMatch(name="q", exact="v"),) == route.match.query


def test_services_share_by_weight_and_so_do_their_splits() -> None:
    resolver = ServiceResolver(name="api", subsets={"v1": Subset(), "v2": Subset()})
    splits = (Split(weight=75, service_subset="v1"), Split(weight=25, service_subset="v2"))

    (route,) = routes(
        rule(
            rows.HTTPRouteService(name="web", weight=1), rows.HTTPRouteService(name="api", weight=3)
        ),
        entries=(resolver, ServiceSplitter(name="api", splits=splits)),
    )

    assert [
        ("web.default.dc1", 10_000),
        ("v1.api.default.dc1", 3 * 7500),
        ("v2.api.default.dc1", 3 * 2500),
    ] == [(share.cluster, share.weight) for share in route.clusters]


def test_the_services_own_router_is_passed_by() -> None:
    router = ServiceRouter(name="web", routes=(RouterRoute(),))

    (route,) = routes(rule(), entries=(router,))

    assert ["web.default.dc1"] == [share.cluster for share in route.clusters]


def test_a_service_of_bytes_gets_no_requests() -> None:
    assert () == routes(rule(rows.HTTPRouteService(name="db")))


def test_filters_are_kept() -> None:
    edits = HeaderModifiers(set={"x": "1"}, remove=("y",))
    filters = rows.HTTPFilters(
        headers=(edits, HeaderModifiers(add={"z": "2"})),
        url_rewrite=rows.URLRewrite(path="/new"),
        retry_filter=rows.RetryFilter(num_retries=2, retry_on=("5xx",)),
        timeout_filter=rows.TimeoutFilter(request_timeout=3 * SECOND, idle_timeout=SECOND),
    )
    answers = rows.ResponseFilters(headers=(edits,))
    service = rows.HTTPRouteService(name="web", filters=rows.HTTPFilters(headers=(edits,)))

    (route,) = routes(rule(service, filters=filters, response_filters=answers))

    both = HeaderEdits(add=(("z", "2"),), set=(("x", "1"),), remove=("y",))
    assert both == route.request_headers
    assert HeaderEdits(set=(("x", "1"),), remove=("y",)) == route.response_headers
    assert route.response_headers == route.clusters[0].request_headers
    assert "/new" == route.prefix_rewrite
    assert RetryPolicy(on=("5xx",), count=2) == route.retry
    assert (3.0, "http-route:r[0] TimeoutFilter", 1.0) == (
        route.timeout_s,
        route.timeout_from,
        route.idle_timeout_s,
    )


@pytest.mark.parametrize(
    ("wanted", "hostname", "hosts"),
    [
        ((), "", ()),
        (("a.x",), "", ("a.x",)),
        ((), "a.x", ("a.x",)),
        (("*",), "*.x", ("*.x",)),
        (("a.x", "a.y"), "*.x", ("a.x",)),
        (("*.x",), "a.x", ("a.x",)),
        (("b.x",), "a.x", None),
    ],
)
def test_hosts_are_those_that_both_take(
    wanted: tuple[str, ...], hostname: str, hosts: tuple[str, ...] | None
) -> None:
    assert hosts == hosts_of(wanted, hostname)


def test_a_route_for_other_hosts_is_not_at_the_listener() -> None:
    assert () == routes(rule(), hostname="b.example")
