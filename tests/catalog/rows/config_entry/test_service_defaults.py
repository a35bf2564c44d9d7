import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry import decode_entry, entry_to_json, normalize
from catalog.rows.config_entry.service_defaults import ServiceDefaults


def test_protocol_is_stored_in_lower_case():
    assert ServiceDefaults(name="x", protocol="HTTP").normalized().protocol == "http"


def test_name_is_required():
    with pytest.raises(Invalid, match=r"^serviceName is required$"):
        ServiceDefaults().validate()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"Name": "*"}, "name must be the name of a service, and not a wildcard"),
        ({"Mode": "maybe"}, 'Mode must be one of direct, transparent, not "maybe"'),
        (
            {"MeshGateway": {"Mode": "far"}},
            'MeshGateway.Mode must be one of none, local, remote, not "far"',
        ),
        (
            {"MaxInboundConnections": -1},
            "MaxInboundConnections must be >= 0, not -1",
        ),
        (
            {"BalanceInboundConnections": "fair"},
            "BalanceInboundConnections must be '' or 'exact_balance', not \"fair\"",
        ),
        (
            {"Destination": {"Addresses": ["a.example"], "Port": 443}, "UpstreamConfig": {}},
            "UpstreamConfig and Destination cannot both be set",
        ),
        ({"Destination": {"Addresses": ["10.0.0.1", "a.example"], "Port": 443}}, ""),
        (
            {"Destination": {"Addresses": ["a.example"]}},
            "Destination.Port must be between 1 and 65535, not 0",
        ),
        (
            {"Destination": {"Addresses": ["*.example"], "Port": 1}},
            'Destination.Addresses: "*.example" must not contain a wildcard',
        ),
        (
            {"Destination": {"Addresses": ["a", "a"], "Port": 1}},
            'Destination.Addresses: "a" is given more than once',
        ),
        (
            {"Destination": {"Addresses": ["a b"], "Port": 1}},
            'Destination.Addresses: "a b" is neither an IP address nor a host name',
        ),
        (
            {"EnvoyExtensions": [{"Required": True}]},
            "invalid EnvoyExtensions[0]: Name is required",
        ),
    ],
)
def test_defaults_that_contradict_themselves_are_refused(refusal, fields, text):
    assert text == refusal({"Kind": "service-defaults", **fields})


def test_passive_health_check_is_shown_in_nanoseconds_with_its_zeros():
    check = {"interval": "10s", "max_failures": 3, "enforcing_consecutive_5xx": 0}
    body = {
        "Kind": "service-defaults",
        "Name": "x",
        "UpstreamConfig": {
            "Defaults": {"PassiveHealthCheck": check, "Limits": {"MaxConnections": 0}},
            "Overrides": [{"Name": "db", "RetryBudget": {"Percent": 20, "MinPerSecond": 3}}],
        },
    }

    shown = entry_to_json(normalize(decode_entry(body)))["UpstreamConfig"]

    assert {
        "PassiveHealthCheck": {
            "Interval": 10_000_000_000,
            "MaxFailures": 3,
            "EnforcingConsecutive5xx": 0,
        },
        "Limits": {"MaxConnections": 0},
    } == shown["Defaults"]
    assert [{"Name": "db", "RetryBudget": {"Percent": 20, "MinPerSecond": 3}}] == shown["Overrides"]
