"""The table of all endpoints."""

from collections import Counter

from agent.http.route import Finder, Local, Read, Write
from agent.http.routes import ROUTES


def test_every_endpoint_is_registered_once():
    counts = Counter((route.method, route.pattern) for route in ROUTES)

    assert {key for key, count in counts.items() if count > 1} == set()


def test_every_route_is_found_by_its_own_path():
    finder = Finder(ROUTES)
    for route in ROUTES:
        path = "/".join("x" if part.startswith("{") else part for part in route.pattern.split("/"))
        assert finder.find(path).methods[route.method] is route


def test_every_route_says_what_it_is():
    assert {route.pattern for route in ROUTES if not route.summary} == set()


def test_only_reads_are_cached_and_only_pure_actions_are_fast():
    for route in ROUTES:
        assert isinstance(route.action, Read | Write | Local)
        assert not (route.cacheable or route.effective) or isinstance(route.action, Read)
        is_slow = isinstance(route.action, Local) and route.action.run_now is None
        assert not route.fast or not is_slow
