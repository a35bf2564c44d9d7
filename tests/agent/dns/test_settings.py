"""Service TTLs by the most exact pattern."""

import pytest

from agent.dns.settings import DnsSettings

SETTINGS = DnsSettings(service_ttl_s={"*": 1, "web*": 2, "web-a*": 3, "Web-api": 4})


@pytest.mark.parametrize(
    ("service", "expected_s"), [("db", 1), ("web", 2), ("web-admin", 3), ("WEB-API", 4)]
)
def test_exact_name_beats_longest_prefix_beats_star(service: str, expected_s: int) -> None:
    assert expected_s == SETTINGS.service_ttl(service)


def test_ttl_is_zero_without_a_pattern() -> None:
    assert DnsSettings().service_ttl("web") == 0
