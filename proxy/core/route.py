"""Where a request goes: the first route that matches, one of its clusters, and the path to send.

Source: Consul, service-router and service-splitter; Envoy's route.
"""

from collections.abc import Callable
from typing import Final

from proxy.api import ANY, QueryMatch, Route, RouteMatch, WeightedCluster
from proxy.core.condition import HeaderTest, Test, header_test, pattern
from proxy.core.memo import Memo
from proxy.core.request import RequestFacts

EVERYTHING: Final = RouteMatch()


def choose_route(routes: tuple[Route, ...], facts: RequestFacts) -> Route | None:
    """The first route whose conditions all hold; None if there is none."""
    for route, tests in _compiled(routes):
        for holds in tests:
            if not holds(facts):
                break
        else:
            return route
    return None


def choose_cluster(route: Route, random: float) -> WeightedCluster:
    """One of a route's clusters by weight; ``random`` is in [0, 1)."""
    clusters = route.clusters
    if len(clusters) == 1:
        return clusters[0]
    assert clusters, "a route has a cluster"
    left = random * sum(cluster.weight for cluster in clusters)
    for cluster in clusters:
        left -= cluster.weight
        if left < 0:
            return cluster
    return clusters[-1]


def rewritten_target(route: Route, facts: RequestFacts) -> bytes:
    """The path and query to send: what the route matched is replaced, the query is kept.

    A slash at the seam is not doubled: ``/v1`` to ``/`` makes ``/`` of ``/v1`` and ``/a`` of
    ``/v1/a``.
    """
    if not route.prefix_rewrite:
        return facts.target
    matched = (route.match.path_exact or route.match.path_prefix).encode()
    rest = facts.path[len(matched) :]
    rewrite = route.prefix_rewrite.encode()
    if rewrite.endswith(b"/") and rest.startswith(b"/"):
        rest = rest[1:]
    path = rewrite + rest
    return path + facts.target[len(facts.path) :]


def _compile(routes: tuple[Route, ...]) -> tuple[tuple[Route, tuple[HeaderTest, ...]], ...]:
    return tuple((route, _tests(route.match)) for route in routes)


def _tests(match: RouteMatch) -> tuple[HeaderTest, ...]:
    """The conditions of a route, the cheapest first."""
    if match == EVERYTHING:
        return ()
    tests: list[HeaderTest] = []
    if match.methods:
        methods = frozenset(method.encode() for method in match.methods)
        tests.append(lambda facts: facts.method in methods)
    if match.hosts and ANY not in match.hosts:
        tests.append(_hosts_test(match.hosts))
    if (path := _path_test(match)) is not None:
        tests.append(path)
    tests.extend(header_test(each) for each in match.headers)
    tests.extend(_query_test(each) for each in match.query)
    return tuple(tests)


def _hosts_test(hosts: tuple[str, ...]) -> HeaderTest:
    """``*`` stands for one or more labels: the leftmost, or the rightmost (``web.ingress.*``)."""
    lowered = [host.lower() for host in hosts]
    exact = frozenset(host for host in lowered if "*" not in host)
    suffixes = tuple(host[1:] for host in lowered if host.startswith("*"))
    prefixes = tuple(host[:-1] for host in lowered if host.endswith("*"))

    def holds(facts: RequestFacts) -> bool:
        host = facts.host
        return (
            host in exact
            or any(host.endswith(suffix) and len(host) > len(suffix) for suffix in suffixes)
            or any(host.startswith(prefix) and len(host) > len(prefix) for prefix in prefixes)
        )

    return holds


def _path_test(match: RouteMatch) -> HeaderTest | None:
    if match.path_regex:
        fits: Test = pattern(match.path_regex, ignore_case=match.ignore_case)
        return lambda facts: fits(facts.path)
    if match.path_exact:
        return _compared(match.path_exact, bytes.__eq__, ignore_case=match.ignore_case)
    if match.path_prefix and match.path_prefix != "/":
        return _compared(match.path_prefix, bytes.startswith, ignore_case=match.ignore_case)
    return None


def _compared(
    text: str, compare: Callable[[bytes, bytes], bool], *, ignore_case: bool
) -> HeaderTest:
    if ignore_case:
        folded = text.lower().encode()
        return lambda facts: compare(facts.path.lower(), folded)
    wanted = text.encode()
    return lambda facts: compare(facts.path, wanted)


def _query_test(match: QueryMatch) -> HeaderTest:
    name = match.name.encode()
    if match.regex:
        fits = pattern(match.regex)
    elif match.present:
        return lambda facts: facts.parameter(name) is not None
    else:
        fits = match.exact.encode().__eq__

    def holds(facts: RequestFacts) -> bool:
        value = facts.parameter(name)
        return value is not None and fits(value)

    return holds


_compiled = Memo(_compile)
