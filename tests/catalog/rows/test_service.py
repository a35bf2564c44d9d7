from agent.http.decode import decode_value
from catalog.rows.service import AccessLogs, ConnectProxy, TransparentProxy, Upstream
from catalog.shape import to_json


def test_upstream_of_an_old_client_shows_no_newer_field():
    shown = to_json(Upstream(destination_type="service", destination_name="db", local_bind_port=1))

    assert {
        "DestinationType": "service",
        "DestinationName": "db",
        "Datacenter": "",
        "LocalBindPort": 1,
        "MeshGateway": {},
    } == shown


def test_upstream_may_listen_at_a_socket_and_dial_a_peer():
    body = {
        "DestinationName": "db",
        "DestinationPeer": "west",
        "DestinationPartition": "default",
        "LocalBindSocketPath": "/run/db.sock",
        "LocalBindSocketMode": "0600",
    }

    upstream = decode_value(body, Upstream)

    assert "west" == upstream.destination_peer
    assert body.items() <= to_json(upstream).items()


def test_proxy_shows_its_mode_and_logs_as_they_were_given():
    proxy = ConnectProxy(
        mode="transparent",
        transparent_proxy=TransparentProxy(outbound_listener_port=22000),
        access_logs=AccessLogs(enabled=True, json_format="{}"),
    )

    shown = to_json(proxy)

    assert "transparent" == shown["Mode"]
    assert {"OutboundListenerPort": 22000} == shown["TransparentProxy"]
    assert {"Enabled": True, "JSONFormat": "{}"} == shown["AccessLogs"]
