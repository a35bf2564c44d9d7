import pytest

from agent.checks.definition import CheckType, InvalidCheck

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"grpc": "a:1", "http": "http://a"}, "grpc"),
        ({"http": "http://a", "ttl_ns": 1}, "http"),
        ({"ttl_ns": 1, "tcp": "a:1"}, "ttl"),
        ({"tcp": "a:1", "udp": "a:1"}, "tcp"),
        ({"udp": "a:1", "alias_service": "web"}, "udp"),
        ({"alias_node": "n", "script_args": ("true",)}, "alias"),
        ({"docker_container_id": "c", "script_args": ("true",)}, "docker"),
        ({"script_args": ("true",), "h2ping": "a:1"}, "script"),
        ({"h2ping": "a:1", "os_service": "cron"}, "h2ping"),
        ({"os_service": "cron"}, "os_service"),
        ({}, "ttl"),
    ],
)
def test_first_type_in_order_of_precedence_runs(fields, expected):
    assert expected == CheckType(**fields).type_name


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"ttl_ns": SECOND, "http": "http://x/", "interval_ns": SECOND},
            "Interval and TTL cannot both be specified",
        ),
        ({"http": "http://x/"}, "Interval must be > 0 for Script, HTTP, or TCP checks"),
        (
            {"tcp": "x:1", "interval_ns": -SECOND},
            "Interval must be > 0 for Script, HTTP, or TCP checks",
        ),
        (
            {"tcp": "x:1", "interval_ns": SECOND, "alias_service": "web"},
            "Interval cannot be set for Alias checks",
        ),
        (
            {"alias_service": "web", "ttl_ns": SECOND},
            "TTL must be not be set for Alias checks",
        ),
        ({"interval_ns": 10 * SECOND}, "TTL must be > 0 for TTL checks"),
        (
            {"docker_container_id": "c", "interval_ns": SECOND},
            "TTL must be > 0 for TTL checks",
        ),
        ({"ttl_ns": SECOND, "output_max_size": -1}, "MaxOutputMaxSize must be positive"),
        (
            {
                "tcp": "x:1",
                "interval_ns": SECOND,
                "failures_before_warning": 3,
                "failures_before_critical": 2,
            },
            "FailuresBeforeWarning can't be higher than FailuresBeforeCritical",
        ),
    ],
)
def test_invalid_definition_is_refused_in_the_words_of_the_api(fields, reason):
    with pytest.raises(InvalidCheck) as refusal:
        CheckType(**fields).validate()

    assert reason == str(refusal.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"ttl_ns": 1},
        {"http": "http://x/", "interval_ns": 1},
        {"alias_node": "n"},
        {"alias_service": "web"},
        {"os_service": "cron", "interval_ns": SECOND},
        {"ttl_ns": 1, "failures_before_critical": 3, "failures_before_warning": 3},
    ],
)
def test_complete_definition_is_accepted(fields):
    CheckType(**fields).validate()
