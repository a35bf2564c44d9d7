from catalog.rows.config_entry.proxy_defaults import ProxyDefaults


def test_any_name_is_stored_as_global():
    assert ProxyDefaults(name="other").normalized().name == "global"


def test_protocol_is_read_from_the_configuration():
    assert ProxyDefaults(config={"protocol": "http"}).protocol == "http"
    assert ProxyDefaults(config={"protocol": 1}).protocol == ""
    assert ProxyDefaults().protocol == ""
