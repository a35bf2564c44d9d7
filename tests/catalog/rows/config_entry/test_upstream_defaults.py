import pytest

from catalog.rows.config_entry.upstream_defaults import (
    PassiveHealthCheck,
    RetryBudget,
    UpstreamConfig,
    UpstreamDefaults,
    UpstreamLimits,
    upstream_faults,
)
from catalog.rows.service import MeshGateway


def test_defaults_and_named_overrides_are_taken():
    defaults = UpstreamDefaults(
        limits=UpstreamLimits(max_connections=0),
        passive_health_check=PassiveHealthCheck(max_ejection_percent=100),
        retry_budget=RetryBudget(percent=0, min_per_second=0),
    )

    assert [] == upstream_faults(
        UpstreamConfig(defaults=defaults, overrides=(UpstreamDefaults(name="db"),))
    )


@pytest.mark.parametrize(
    ("override", "text"),
    [
        (UpstreamDefaults(), "error in upstream override for : Name is required"),
        (
            UpstreamDefaults(name="*"),
            "error in upstream override for *: Wildcard name is not supported",
        ),
        (
            UpstreamDefaults(name="db", limits=UpstreamLimits(max_connections=-1)),
            "error in upstream override for db: Limits.MaxConnections must be >= 0, not -1",
        ),
        (
            UpstreamDefaults(
                name="db", passive_health_check=PassiveHealthCheck(enforcing_consecutive_5xx=101)
            ),
            "error in upstream override for db: PassiveHealthCheck.EnforcingConsecutive5xx must be "
            "between 0 and 100, not 101",
        ),
        (
            UpstreamDefaults(name="db", mesh_gateway=MeshGateway(mode="far")),
            "error in upstream override for db: MeshGateway.Mode must be one of none, local, "
            'remote, not "far"',
        ),
        (
            UpstreamDefaults(name="db", balance_outbound_connections="fair"),
            "error in upstream override for db: BalanceOutboundConnections must be '' or "
            "'exact_balance', not \"fair\"",
        ),
    ],
)
def test_fault_names_the_override(override, text):
    assert [text] == upstream_faults(UpstreamConfig(overrides=(override,)))


def test_defaults_have_no_name():
    faults = upstream_faults(UpstreamConfig(defaults=UpstreamDefaults(name="db")))

    assert ["error in upstream defaults: Name must be empty"] == faults
