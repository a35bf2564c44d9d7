import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api import HeaderMatch, QueryMatch, Route, RouteMatch, WeightedCluster
from proxy.core.request import RequestFacts
from proxy.core.route import HOSTS_MAX, choose_cluster, choose_route, rewritten_target
from proxy.http import Headers, RequestHead

CLUSTERS = (WeightedCluster(cluster="web"),)


def facts_of(
    target: bytes = b"/",
    method: bytes = b"GET",
    headers: Headers | None = None,
    host: bytes = b"web",
) -> RequestFacts:
    return RequestFacts(
        RequestHead(
            method=method, scheme=b"http", authority=host, target=target, headers=headers or []
        )
    )


def route_of(match: RouteMatch, prefix_rewrite: str = "") -> Route:
    return Route(name="r", match=match, clusters=CLUSTERS, prefix_rewrite=prefix_rewrite)


def is_taken(match: RouteMatch, facts: RequestFacts) -> bool:
    return choose_route((route_of(match),), facts) is not None


def test_first_matching_route_is_chosen() -> None:
    routes = (
        Route(name="0", match=RouteMatch(path_exact="/a"), clusters=CLUSTERS),
        Route(name="1", match=RouteMatch(path_prefix="/a"), clusters=CLUSTERS),
        Route(name="2", clusters=CLUSTERS),
    )

    chosen = [choose_route(routes, facts_of(path)) for path in (b"/a", b"/ab", b"/b")]

    assert list(routes) == chosen


def test_no_route_is_chosen_where_none_matches() -> None:
    assert choose_route((), facts_of()) is None
    assert choose_route((route_of(RouteMatch(path_exact="/a")),), facts_of()) is None


@pytest.mark.parametrize(
    ("match", "target", "expected"),
    [
        (RouteMatch(), b"/a", True),
        (RouteMatch(path_prefix="/"), b"*", True),
        (RouteMatch(path_exact="/a"), b"/a?b", True),
        (RouteMatch(path_exact="/a"), b"/A", False),
        (RouteMatch(path_exact="/A", ignore_case=True), b"/a", True),
        (RouteMatch(path_prefix="/A", ignore_case=True), b"/aB", True),
        (RouteMatch(path_prefix="/a/"), b"/a", False),
        (RouteMatch(path_regex="/v[0-9]+"), b"/v12?x", True),
        (RouteMatch(path_regex="/v[0-9]+"), b"/v12/x", False),
        (RouteMatch(path_regex="/V", ignore_case=True), b"/v", True),
        (RouteMatch(path_regex="("), b"(", False),
    ],
)
def test_path_is_matched(match: RouteMatch, target: bytes, expected: bool) -> None:
    assert expected == is_taken(match, facts_of(target))


@pytest.mark.parametrize(
    ("hosts", "host", "expected"),
    [
        (("web.example",), b"WEB.example:80", True),
        (("web.example",), b"x.web.example", False),
        (("*.example",), b"web.example", True),
        (("*.example",), b"a.b.example", True),
        (("*.example",), b"example", False),
        (("*.example",), b".example", False),
        (("*",), b"anything", True),
        (("web.ingress.*",), b"web.ingress.consul", True),
        (("web.ingress.*",), b"web.ingress.", False),
        (("a", "B"), b"b", True),
    ],
)
def test_host_is_matched(hosts: tuple[str, ...], host: bytes, expected: bool) -> None:
    assert expected == is_taken(RouteMatch(hosts=hosts), facts_of(host=host))


def test_routes_of_other_hosts_are_passed_over_in_order() -> None:
    routes = tuple(
        Route(name=name, match=RouteMatch(hosts=hosts, path_prefix=path), clusters=CLUSTERS)
        for name, hosts, path in (
            ("0", ("a.example",), "/x"),
            ("1", ("*.example",), "/x"),
            ("2", ("a.example",), "/"),
            ("3", (), "/"),
        )
    )

    chosen = [
        choose_route(routes, facts_of(path, host=host))
        for host, path in ((b"a.example", b"/x"), (b"b.example", b"/x"), (b"a.example", b"/y"))
        for _ in range(2)  # the second time from memory
    ]

    assert ["0", "0", "1", "1", "2", "2"] == [route.name for route in chosen if route]
    assert routes[3] == choose_route(routes, facts_of(host=b"other"))


def test_made_up_hosts_fill_no_memory() -> None:
    routes = (route_of(RouteMatch(hosts=("*.example",))),)

    for number in range(HOSTS_MAX + 10):
        assert choose_route(routes, facts_of(host=b"%d.example" % number)) is routes[0]


@pytest.mark.parametrize(
    ("match", "query", "expected"),
    [
        (QueryMatch(name="a", present=True), b"a", True),
        (QueryMatch(name="a", present=True), b"b", False),
        (QueryMatch(name="a", exact="1"), b"b=2&a=1", True),
        (QueryMatch(name="a", exact="1"), b"a=2&a=1", False),
        (QueryMatch(name="a"), b"a=", True),
        (QueryMatch(name="a"), b"", False),
        (QueryMatch(name="a", regex="[0-9]+"), b"a=12", True),
        (QueryMatch(name="a", regex="[0-9]"), b"a=12", False),
    ],
)
def test_query_is_matched(match: QueryMatch, query: bytes, expected: bool) -> None:
    assert expected == is_taken(RouteMatch(query=(match,)), facts_of(b"/?" + query))


def test_all_conditions_must_hold() -> None:
    match = RouteMatch(
        hosts=("web",),
        path_prefix="/a",
        methods=("GET",),
        headers=(HeaderMatch(name="x", exact="1"),),
        query=(QueryMatch(name="q", present=True),),
    )
    headers = [(b"X", b"1")]

    assert is_taken(match, facts_of(b"/a?q", headers=headers))
    assert not is_taken(match, facts_of(b"/b?q", headers=headers))
    assert not is_taken(match, facts_of(b"/a?q", b"POST", headers))
    assert not is_taken(match, facts_of(b"/a?q"))
    assert not is_taken(match, facts_of(b"/a", headers=headers))
    assert not is_taken(match, facts_of(b"/a?q", headers=headers, host=b"api"))


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=5).filter(any))
def test_clusters_get_their_share(weights: list[int]) -> None:
    clusters = tuple(
        WeightedCluster(cluster=str(number), weight=weight) for number, weight in enumerate(weights)
    )
    route = Route(name="r", clusters=clusters)
    draws = 1000

    chosen = [int(choose_cluster(route, draw / draws).cluster) for draw in range(draws)]

    for number, weight in enumerate(weights):
        assert chosen.count(number) == pytest.approx(draws * weight / sum(weights), abs=1.01)


@pytest.mark.parametrize(
    ("match", "rewrite", "target", "expected"),
    [
        (RouteMatch(path_prefix="/v1"), "", b"/v1/a?b", b"/v1/a?b"),
        (RouteMatch(path_prefix="/v1"), "/v2", b"/v1/a?b=/v1", b"/v2/a?b=/v1"),
        (RouteMatch(path_prefix="/v1"), "/", b"/v1", b"/"),
        (RouteMatch(path_prefix="/v1"), "/", b"/v1/a?", b"/a?"),
        (RouteMatch(path_prefix="/v1/"), "/", b"/v1/a", b"/a"),
        (RouteMatch(path_prefix="/v1"), "/", b"/v1//a", b"//a"),
        (RouteMatch(path_prefix="/"), "/app/", b"/a", b"/app/a"),
        (RouteMatch(path_exact="/a"), "/b", b"/a?c", b"/b?c"),
        (RouteMatch(path_prefix="/É", ignore_case=True), "/x", "/É/a".encode(), b"/x/a"),
    ],
)
def test_matched_part_is_rewritten_and_the_query_kept(
    match: RouteMatch, rewrite: str, target: bytes, expected: bytes
) -> None:
    assert expected == rewritten_target(route_of(match, rewrite), facts_of(target))
