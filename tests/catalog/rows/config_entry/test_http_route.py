import pytest

from catalog.rows.config_entry import decode_entry, entry_to_json, normalize


def route(**rule):
    return {"Kind": "http-route", "Parents": [{"Name": "gw"}], "Rules": [rule]}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (route(Services=[{"Name": "web"}], Filters={"URLRewrite": {"Path": "/"}}), ""),
        (
            route(Matches=[{"Method": "brew"}]),
            'Rule[0].Match[0]: Method contains an invalid method "BREW"',
        ),
        (
            route(Matches=[{"Path": {"Match": "glob", "Value": "/"}}]),
            'Rule[0].Match[0].Path: match type should be one of exact, prefix, regex, not "glob"',
        ),
        (
            route(Matches=[{"Path": {"Value": "a"}}]),
            "Rule[0].Match[0].Path: value \"a\" doesn't start with '/'",
        ),
        (
            route(Matches=[{"Headers": [{"Match": "exact"}]}]),
            "Rule[0].Match[0].Header[0]: missing required Name field",
        ),
        (
            route(Matches=[{"Query": [{"Match": "suffix", "Name": "q"}]}]),
            "Rule[0].Match[0].Query[0]: match type should be one of exact, present, regex, not "
            '"suffix"',
        ),
        (
            route(Filters={"Headers": [{"Set": {"a:": "b"}}]}),
            'Rule[0]: Headers[0].Set: "a:" is no name of a header',
        ),
        (route(Services=[{}]), "Rule[0].Service[0]: missing required Name field"),
        (
            route(Filters={"RetryFilter": {"RetryOn": ["sometimes"]}}),
            'Rule[0] contains an invalid retry condition: "sometimes"',
        ),
        (
            route(Filters={"URLRewrite": {"Path": "a"}}),
            "Rule[0]: URLRewrite.Path doesn't start with '/'",
        ),
        (
            {"Kind": "http-route", "Hostnames": ["a.*"]},
            'host "a.*" is not valid, a wildcard specifier is only allowed as the left-most label',
        ),
    ],
)
def test_route_that_contradicts_itself_is_refused(refusal, body, text):
    assert text == refusal(body)


def test_rule_without_a_match_takes_every_path():
    entry = normalize(decode_entry({"Name": "r", **route(Services=[{"Name": "web"}])}))

    (rule,) = entry_to_json(entry)["Rules"]

    assert [{"Match": "prefix", "Value": "/"}] == [match["Path"] for match in rule["Matches"]]
    assert 1 == rule["Services"][0]["Weight"]
