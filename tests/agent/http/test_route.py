"""How a path finds its routes."""

import pytest

from agent.http.route import Finder, Local, Route


async def nothing(_call):
    raise AssertionError


def finder(*patterns: str) -> Finder:
    return Finder(Route("GET", pattern, Local(nothing), "") for pattern in patterns)


@pytest.fixture
def known() -> Finder:
    return finder(
        "/v1/kv/{key}",
        "/v1/query",
        "/v1/query/{id}",
        "/v1/query/{id}/execute",
        "/v1/agent/service/{id}",
        "/v1/agent/service/deregister/{id}",
        "/v1/agent/service/register",
    )


@pytest.mark.parametrize(
    ("path", "pattern", "argument"),
    [
        ("/v1/query", "/v1/query", ""),
        ("/v1/query/a", "/v1/query/{id}", "a"),
        ("/v1/query/a/execute", "/v1/query/{id}/execute", "a"),
        ("/v1/query/a/b/execute", "/v1/query/{id}/execute", "a/b"),
        ("/v1/query/", "/v1/query/{id}", ""),
        ("/v1/kv/a//b/", "/v1/kv/{key}", "a//b/"),
        ("/v1/kv/", "/v1/kv/{key}", ""),
        ("/v1/agent/service/register", "/v1/agent/service/register", ""),
        ("/v1/agent/service/deregister/a", "/v1/agent/service/deregister/{id}", "a"),
        ("/v1/agent/service/other", "/v1/agent/service/{id}", "other"),
    ],
)
def test_the_longest_prefix_wins_and_keeps_the_rest(known, path, pattern, argument):
    found = known.find(path)

    assert (found.methods["GET"].pattern, found.argument) == (pattern, argument)


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v2/kv/a", "/v1/kv", "x"])
def test_other_paths_have_no_routes(known, path):
    assert known.find(path) is None


def test_a_prefix_that_has_only_suffixes_takes_nothing_else():
    assert finder("/v1/token/{id}/clone").find("/v1/token/a") is None


@pytest.mark.parametrize(
    ("path", "reading", "location"),
    [
        ("/v1/kv", False, "/v1/kv/"),
        ("/v1//query", True, "/v1/query"),
        ("/v1/x/../query", True, "/v1/query"),
        ("//v1/query", True, "/v1/query"),
        ("/v1//query", False, None),
        ("/v1/none", True, None),
        ("/v1/./query/", True, "/v1/query/"),
    ],
)
def test_unclean_reads_are_sent_to_the_clean_path(known, path, reading, location):
    assert known.redirect(path, reading=reading) == location
