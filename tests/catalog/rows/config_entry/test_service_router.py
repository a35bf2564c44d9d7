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
        (
            routes({}, {"RetryOn": ["5xx", "sometimes"]}),
            'Route[0] contains an invalid retry condition: "sometimes"',
        ),
        (
            routes({}, {"RetryOnStatusCodes": [503, 99]}),
            "Route[0] RetryOnStatusCodes contains 99, which is no HTTP status",
        ),
        (
            routes({}, {"Mirror": {"Service": "y", "Percent": 101}}),
            "Route[0] Mirror.Percent must be between 0 and 100, not 101",
        ),
        (
            routes({}, {"Fault": {"AbortStatus": 99}}),
            "Route[0] Fault.AbortStatus must be between 200 and 599, not 99",
        ),
        (routes({}, {"Fault": {}}), "Route[0] Fault should contain Delay or AbortStatus"),
        (
            routes({}, {"PerTryTimeout": "-1s"}),
            "Route[0] PerTryTimeout must be >= 0, not -1s",
        ),
        (
            routes({}, {"RetryBackOff": {"BaseInterval": "2s", "MaxInterval": "1s"}}),
            "Route[0] RetryBackOff.MaxInterval must be >= RetryBackOff.BaseInterval",
        ),
        (
            routes({"PathPrefix": "/a"}, {"PrefixRewrite": "n"}),
            "Route[0] PrefixRewrite doesn't start with '/': \"n\"",
        ),
        (
            routes({}, {"RequestHeaders": {"Set": {"a b": "c"}}}),
            'Route[0] RequestHeaders.Set: "a b" is no name of a header',
        ),
        (
            routes({}, {"ResponseHeaders": {"Add": {"a": "b\r\nc: d"}}}),
            'Route[0] ResponseHeaders.Add: value of "a" has control characters',
        ),
        (
            routes({}, {"RequestHeaders": {"Remove": [":path"]}}),
            'Route[0] RequestHeaders.Remove: ":path" is no name of a header',
        ),
        (routes({}, {"RateLimit": {}}), "Route[0] RateLimit.RequestsPerSecond must be > 0"),
        (
            routes({}, {"Partition": "p"}),
            "Route[0] Destination: Setting Partition requires Consul Enterprise",
        ),
        (routes({"Methods": ["brew"]}), 'Route[0] Methods contains an invalid method "BREW"'),
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


def test_router_takes_what_is_not_consuls_in_either_spelling():
    destination = {
        "per_try_timeout": "250ms",
        "retry_back_off": {"base_interval": "10ms", "max_interval": "1s"},
        "mirror": {"service": "shadow", "percent": 12.5, "body_bytes_max": 1024},
        "fault": {"delay": "1s", "delay_percent": 0, "abort_status": 503, "abort_percent": 5},
        "rate_limit": {"requests_per_second": 10, "requests_max_burst": 20},
    }
    body = {"Name": "x", **routes({"path_prefix": "/", "case_insensitive": True}, destination)}

    (route,) = entry_to_json(normalize(decode_entry(body)))["Routes"]

    assert {"PathPrefix": "/", "CaseInsensitive": True} == route["Match"]["HTTP"]
    assert {
        "PerTryTimeout": "250ms",
        "RetryBackOff": {"BaseInterval": "10ms", "MaxInterval": "1s"},
        "Mirror": {"Service": "shadow", "Percent": 12.5, "BodyBytesMax": 1024},
        "Fault": {"Delay": "1s", "DelayPercent": 0, "AbortStatus": 503, "AbortPercent": 5},
        "RateLimit": {"RequestsPerSecond": 10, "RequestsMaxBurst": 20},
    } == route["Destination"]
