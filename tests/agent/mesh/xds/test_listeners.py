from agent.mesh.xds.listeners import listeners
from tests.agent.mesh.xds.xds_world import CONFIG


def test_a_listener_is_where_the_proxy_listens() -> None:
    public, api, mesh = listeners(CONFIG)

    assert {"address": "0.0.0.0", "port_value": 21000} == public["address"]["socket_address"]
    assert {"path": "/run/api.sock", "mode": 0o660} == api["address"]["pipe"]
    assert ["INBOUND", "OUTBOUND", "UNSPECIFIED"] == [
        each["traffic_direction"] for each in (public, api, mesh)
    ]


def test_server_names_need_the_first_bytes_to_be_read() -> None:
    public, _, mesh = listeners(CONFIG)

    assert "listener_filters" not in public
    assert 1 == len(mesh["listener_filters"])
    (chain,) = mesh["filter_chains"]
    assert ["*.dc2.internal.1.consul"] == chain["filter_chain_match"]["server_names"]
    assert "transport_socket" not in chain


def test_who_may_come_in_is_asked_before_anything_else() -> None:
    public, *_ = listeners(CONFIG)

    (chain,) = public["filter_chains"]
    filters = chain["filters"][0]["typed_config"]["http_filters"]
    assert ["access", "limit", "router"] == [each["name"] for each in filters]
    assert "transport_socket" in chain
