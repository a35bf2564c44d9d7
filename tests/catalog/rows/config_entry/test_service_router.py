import pytest

from catalog.rows.config_entry import decode_entry, entry_to_json, normalize


def routes(http, destination=None):
    return {
        "Kind": "service-router",
        "Routes": [{"Match": {"HTTP": http}, "Destination": destination}],
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (routes({"PathExact": "/a"}), ""),
        (routes({"PathExact": "a"}), "Route[0] PathExact doesn't start with '/': \"a\""),
        (routes({"PathPrefix": "a"}), "Route[0] PathPrefix doesn't start with '/': \"a\""),
        (
            routes({"PathExact": "/a", "PathRegex": "b"}),
            "Route[0] should only contain at most one of PathExact, PathPrefix, or PathRegex",
        ),
        (
            routes({"Header": [{"Exact": "b"}]}),
            "Route[0] Header[0] missing required Name field",
        ),
        (
            routes({"Header": [{"Name": "h", "Exact": "b", "Present": True}]}),
            "Route[0] Header[0] should only contain one of Present, Exact, Prefix, Suffix, "
            "or Regex",
        ),
        (
            routes({"QueryParam": [{"Exact": "b"}]}),
            "Route[0] QueryParam[0] missing required Name field",
        ),
        (
            routes({"QueryParam": [{"Name": "q"}]}),
            "Route[0] QueryParam[0] should only contain one of Present, Exact, or Regex",
        ),
        (
            routes({"Methods": ["get", "GET"]}),
            'Route[0] Methods contains "GET" more than once',
        ),
        (
            routes({}, {"PrefixRewrite": "/n"}),
            "Route[0] cannot make use of PrefixRewrite without configuring either PathExact "
            "or PathPrefix",
        ),
        ({"Kind": "service-router", "Name": ""}, "Name is required"),
    ],
)
def test_router_that_contradicts_itself_is_refused(refusal, body, text):
    assert text == refusal(body)


def test_router_shows_only_what_is_set():
    body = {
        "Name": "x",
        **routes({"PathPrefix": "/b", "Methods": ["get"]}, {"RequestTimeout": "2s"}),
    }

    shown = entry_to_json(normalize(decode_entry(body)))

    assert shown == {
        "Kind": "service-router",
        "Name": "x",
        "Routes": [
            {
                "Match": {"HTTP": {"PathPrefix": "/b", "Methods": ["GET"]}},
                "Destination": {"RequestTimeout": "2s"},
            }
        ],
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }
