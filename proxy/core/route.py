"""Where a request goes: the first route that matches, one of its clusters, and the path to send.

Source: Consul, service-router and service-splitter; Envoy's route.
"""

from collections.abc import Callable
from typing import Final

from proxy.api import ANY, QueryMatch, Route, RouteMatch, WeightedCluster
from proxy.core.condition import HeaderTest, header_test, pattern
from proxy.core.memo import Memo
from proxy.core.request import RequestFacts

EVERYTHING: Final = RouteMatch()
HOSTS_MAX: Final = 1024
"""Host names of one table whose routes are remembered; made-up ones only cost a search each."""

_Compiled = tuple[tuple[Route, tuple[HeaderTest, ...]], ...]


def choose_route(routes: tuple[Route, ...], facts: RequestFacts) -> Route | None:
    """The first route whose conditions all hold; None if there is none."""
    for route, tests in _table(routes).of(facts):
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


class _Table:
    """Routes with their conditions; those of a host are found once for all its requests."""

    __slots__ = ("_by_host", "_has_hosts", "_routes")

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = tuple((route, _tests(route.match)) for route in routes)
        self._has_hosts = any(route.match.hosts for route in routes)
        self._by_host: dict[str, _Compiled] = {}

    def of(self, facts: RequestFacts) -> "_Compiled":
        """The routes that may take requests to a host, in their order."""
        if not self._has_hosts:
            return self._routes
        host = facts.host
        found = self._by_host.get(host)
        if found is None:
            if len(self._by_host) >= HOSTS_MAX:
                self._by_host.clear()
            found = tuple(each for each in self._routes if _takes_host(each[0].match.hosts, host))
            self._by_host[host] = found
        return found


def _tests(match: RouteMatch) -> tuple[HeaderTest, ...]:
    """The conditions of a route but its hosts, the cheapest first."""
    if match == EVERYTHING:
        return ()
    tests: list[HeaderTest] = []
    if match.methods:
        methods = frozenset(method.encode() for method in match.methods)
        tests.append(lambda facts: facts.method in methods)
    if (path := _path_test(match)) is not None:
        tests.append(path)
    tests.extend(header_test(each) for each in match.headers)
    tests.extend(_query_test(each) for each in match.query)
    return tuple(tests)


def _takes_host(hosts: tuple[str, ...], host: str) -> bool:
    """``*`` stands for one or more labels: the leftmost, or the rightmost (``web.ingress.*``)."""
    return not hosts or any(_is_host(wanted.lower(), host) for wanted in hosts)


def _is_host(wanted: str, host: str) -> bool:
    if wanted == ANY:
        return True
    if wanted.startswith("*"):
        return host.endswith(wanted[1:]) and len(host) >= len(wanted)
    if wanted.endswith("*"):
        return host.startswith(wanted[:-1]) and len(host) >= len(wanted)
    return host == wanted


def _path_test(match: RouteMatch) -> HeaderTest | None:
    if match.path_regex:
        fits = pattern(match.path_regex, ignore_case=match.ignore_case) or _never
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
        fits = pattern(match.regex) or _never
    elif match.present:
        return lambda facts: facts.parameter(name) is not None
    else:
        fits = match.exact.encode().__eq__

    def holds(facts: RequestFacts) -> bool:
        value = facts.parameter(name)
        return value is not None and fits(value)

    return holds


def _never(_text: bytes) -> bool:
    """What is no regular expression matches nothing."""
    return False


_table = Memo(_Table, len)
