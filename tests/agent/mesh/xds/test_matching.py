import pytest

from agent.mesh.xds.matching import headers_matched, path_matched, route_matched
from proxy.api import HeaderMatch, QueryMatch, RouteMatch


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (RouteMatch(), {"prefix": "/"}),
        (RouteMatch(path_exact="/a"), {"path": "/a"}),
        (RouteMatch(path_prefix="/a", ignore_case=True), {"prefix": "/a", "case_sensitive": False}),
        (RouteMatch(path_regex="/a+"), {"safe_regex": {"regex": "/a+"}}),
        (
            RouteMatch(query=(QueryMatch(name="q", regex="x"),)),
            {
                "prefix": "/",
                "query_parameters": [{"name": "q", "string_match": {"safe_regex": {"regex": "x"}}}],
            },
        ),
    ],
)
def test_a_route_is_matched(match: RouteMatch, expected: dict[str, object]) -> None:
    assert expected == route_matched(match)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HeaderMatch(name="a", present=True), {"name": "a", "present_match": True}),
        (HeaderMatch(name="a", exact="x"), {"name": "a", "string_match": {"exact": "x"}}),
        (
            HeaderMatch(name="a", contains="x", ignore_case=True, invert=True),
            {
                "name": "a",
                "string_match": {"contains": "x", "ignore_case": True},
                "invert_match": True,
            },
        ),
    ],
)
def test_a_header_is_matched(header: HeaderMatch, expected: dict[str, object]) -> None:
    assert [expected] == headers_matched([header], ())


def test_methods_are_one_header_of_envoy() -> None:
    (found,) = headers_matched((), ("GET", "M-SEARCH"))

    assert (":method", {"safe_regex": {"regex": "GET|M\\-SEARCH"}}) == (
        found["name"],
        found["string_match"],
    )


def test_no_path_is_no_condition() -> None:
    assert path_matched("", "", "") is None
    assert {"prefix": "/a"} == path_matched("", "/a", "")
