import pytest


def limits(**instance):
    return {"Kind": "service-defaults", "RateLimits": {"InstanceLevel": instance}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (limits(RequestsPerSecond=10, Routes=[{"PathPrefix": "/a", "RequestsPerSecond": 1}]), ""),
        (
            limits(RequestsPerSecond=-1),
            "RateLimits.InstanceLevel.RequestsPerSecond must be >= 0, not -1",
        ),
        (
            limits(RequestsMaxBurst=1),
            "RateLimits.InstanceLevel.RequestsMaxBurst needs RequestsPerSecond",
        ),
        (
            limits(Routes=[{"RequestsPerSecond": 1}]),
            "RateLimits.InstanceLevel.Routes[0] should contain one of PathExact, PathPrefix, or "
            "PathRegex",
        ),
        (
            limits(Routes=[{"PathExact": "/a", "PathRegex": "b"}]),
            "RateLimits.InstanceLevel.Routes[0] should only contain at most one of PathExact, "
            "PathPrefix, or PathRegex",
        ),
    ],
)
def test_limits_are_counts_for_an_instance_or_for_one_path(refusal, body, text):
    assert text == refusal(body)
