from agent.mesh.xds.names import extension, seconds, socket_address


def test_a_duration_is_in_seconds() -> None:
    assert ("0.025s", "15.000s") == (seconds(0.025), seconds(15))


def test_an_address_is_a_port_or_a_path() -> None:
    assert {"socket_address": {"address": "::1", "port_value": 5}} == socket_address("::1", 5, "")
    assert {"pipe": {"path": "/a"}} == socket_address("", 0, "/a")
    assert {"pipe": {"path": "/a", "mode": 0o600}} == socket_address("", 0, "/a", 0o600)


def test_an_extension_names_its_type() -> None:
    told = extension("x", "filters.http.router.v3.Router", {"a": 1})

    assert "x" == told["name"]
    assert told["typed_config"] == {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "a": 1,
    }
