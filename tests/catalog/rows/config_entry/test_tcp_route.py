import pytest


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"Parents": [{"Name": "gw"}], "Services": [{"Name": "db"}]}, ""),
        (
            {"Services": [{"Name": "a"}, {"Name": "b"}]},
            "tcp-route currently only supports one service",
        ),
        ({"Services": [{}]}, "Service name cannot be blank"),
        (
            {"Parents": [{"Kind": "door", "Name": "gw"}]},
            "unsupported parent kind: \"door\", must be 'api-gateway'",
        ),
        ({"Parents": [{}]}, "parent name cannot be blank"),
        (
            {"Parents": [{"Name": "gw"}, {"Name": "gw"}]},
            'route parent "gw" is named more than once',
        ),
    ],
)
def test_route_that_contradicts_itself_is_refused(refusal, fields, text):
    assert text == refusal({"Kind": "tcp-route", **fields})
