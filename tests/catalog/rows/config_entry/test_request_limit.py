import pytest


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"Mode": "enforcing", "ReadRate": 5, "KV": {"WriteRate": 1}}, ""),
        ({"Mode": "x"}, 'Mode must be one of permissive, enforcing, disabled, not "x"'),
        ({"WriteRate": -1}, "WriteRate must be >= 0, not -1"),
        ({"KV": {"ReadRate": -1}}, "KV.ReadRate must be >= 0, not -1"),
    ],
)
def test_limits_are_rates_of_a_known_mode(refusal, fields, text):
    assert text == refusal({"Kind": "control-plane-request-limit", **fields})
