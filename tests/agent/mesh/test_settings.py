"""What a registration's opaque maps say."""

import pytest
from msgspec.structs import replace

from agent.mesh.settings import (
    MANAGED_KEY,
    Given,
    outlier_of,
    place_of,
    proxy_settings,
    upstream_settings,
)
from catalog.duration import MILLISECOND, SECOND
from catalog.rows.config_entry.upstream_defaults import PassiveHealthCheck
from catalog.rows.node import Coord
from proxy.api import Outlier
from tests.agent.harness import make_config


def test_without_a_map_everything_is_usual() -> None:
    assert proxy_settings(None) == proxy_settings({})
    assert "tcp" == proxy_settings(None).protocol
    assert proxy_settings(None).managed


def test_keys_have_either_spelling_and_numbers_may_be_text() -> None:
    for config in (
        {"local_connect_timeout_ms": 250, "bind_port": 8443},
        {"LocalConnectTimeoutMs": "250", "BindPort": "8443"},
    ):
        settings = proxy_settings(config)

        assert (0.25, 8443) == (settings.local_connect_timeout_s, settings.bind_port)


@pytest.mark.parametrize("value", ["x", -1, True, None, [], {}])
def test_a_value_that_cannot_be_read_counts_as_not_given(value: object) -> None:
    assert proxy_settings(None) == proxy_settings({"max_inbound_connections": value})


def test_an_unknown_protocol_is_carried_as_bytes() -> None:
    assert "tcp" == proxy_settings({"protocol": "quic"}).protocol
    assert "http2" == proxy_settings({"protocol": "HTTP2"}).protocol


@pytest.mark.parametrize("value", [False, "false"])
def test_a_registration_can_leave_its_proxy_to_others(value: object) -> None:
    assert not proxy_settings({MANAGED_KEY: value}).managed


def test_later_maps_of_an_upstream_win_key_by_key() -> None:
    settings = upstream_settings(
        {"ConnectTimeoutMs": 1000, "Limits": {"MaxConnections": 1, "MaxPendingRequests": 2}},
        {"connect_timeout_ms": 2000},
        {"limits": {"max_connections": 0}},
    )

    assert 2000 * MILLISECOND == settings.connect_timeout_ns
    assert (0, None) == (settings.connections_max, settings.pending_max)


def test_a_block_of_hcl_is_a_list_of_one() -> None:
    settings = upstream_settings({"limits": [{"max_concurrent_requests": 3}]})

    assert 3 == settings.requests_max


def test_passive_health_checks_have_the_proxys_defaults() -> None:
    assert Outlier() == upstream_settings().outlier
    given = {"interval": "30s", "max_failures": 2, "enforcing_consecutive_5xx": 0}
    assert (
        Outlier(interval_s=30.0, failures_max=2, enforcing_percent=0.0)
        == upstream_settings({"passive_health_check": given}).outlier
    )


def test_passive_health_checks_of_an_entry_read_alike() -> None:
    row = PassiveHealthCheck(
        interval=5 * SECOND, max_ejection_percent=50, base_ejection_time=2 * SECOND
    )

    assert Outlier(interval_s=5, ejected_percent_max=50, ejection_s=2) == outlier_of(row)


def test_a_retry_budget_may_be_zero() -> None:
    settings = upstream_settings({"RetryBudget": {"Percent": 0, "MinPerSecond": 1}})

    assert (0.0, 1.0) == (settings.retry_percent, settings.retry_per_second_min)


def test_a_duration_is_text_or_nanoseconds() -> None:
    given = Given({"a": "1m", "b": SECOND, "c": "soon"})

    assert (60.0, 1.0, None) == (given.seconds("a"), given.seconds("b"), given.seconds("c"))


def test_what_no_intention_decides_is_the_setting_else_the_acls_else_allowed() -> None:
    config = make_config()
    acls = replace(config, acl=replace(config.acl, enabled=True, default_policy="deny"))
    named = replace(acls, default_intention_policy="allow")

    told = [place_of(each, None) for each in (config, acls, named)]

    assert [
        (True, "ACLs disabled, access is allowed by default"),
        (False, "Default behavior configured by ACLs"),
        (True, "Default intention policy"),
    ] == [(place.default_allow, place.default_reason) for place in told]


def test_a_place_knows_its_node_its_domains_and_the_drain_time() -> None:
    coordinate = Coord()
    place = place_of(make_config(), coordinate)

    assert ("node-a", "dc1", 30.0, ("consul",)) == (
        place.node,
        place.datacenter,
        place.drain_s,
        place.domains,
    )
    assert coordinate == place.coordinate
