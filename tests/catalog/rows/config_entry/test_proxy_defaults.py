import pytest

from catalog.rows.config_entry.proxy_defaults import ProxyDefaults


def test_any_name_is_stored_as_global():
    assert ProxyDefaults(name="other").normalized().name == "global"


def test_protocol_is_read_from_the_configuration():
    assert ProxyDefaults(config={"protocol": "http"}).protocol == "http"
    assert ProxyDefaults(config={"protocol": 1}).protocol == ""
    assert ProxyDefaults().protocol == ""


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"AccessLogs": {"Enabled": True, "Type": "file", "Path": "/x.log"}}, ""),
        (
            {"AccessLogs": {"Type": "printer"}},
            'AccessLogs: Type must be one of stdout, stderr, file, not "printer"',
        ),
        (
            {"FailoverPolicy": {"Mode": "random"}},
            "Failover policy mode must be '' or 'sequential', not \"random\"",
        ),
        (
            {"PrioritizeByLocality": {"Mode": "failover"}},
            "Prioritize-by-locality requires Consul Enterprise",
        ),
        (
            {"TransparentProxy": {"OutboundListenerPort": 70000}},
            "TransparentProxy.OutboundListenerPort must be between 0 and 65535",
        ),
    ],
)
def test_defaults_that_contradict_themselves_are_refused(refusal, fields, text):
    assert text == refusal({"Kind": "proxy-defaults", **fields})
