from agent.mesh.xds.bootstrap import Bootstrap, bootstrap_of


def test_an_envoy_is_told_who_it_is_and_where_to_ask() -> None:
    told = bootstrap_of(
        Bootstrap(proxy_id="web-1", service="web", agent_address="127.0.0.1", agent_port=8502)
    )

    assert {"id": "web-1", "cluster": "web"} == told["node"]
    (agent,) = told["static_resources"]["clusters"]
    (group,) = agent["load_assignment"]["endpoints"]
    (endpoint,) = group["lb_endpoints"]
    at = endpoint["endpoint"]["address"]["socket_address"]
    assert {"address": "127.0.0.1", "port_value": 8502} == at


def test_a_token_goes_with_every_stream() -> None:
    told = bootstrap_of(
        Bootstrap(
            proxy_id="web-1", service="web", agent_address="::1", agent_port=1, token="secret"
        )
    )

    grpc = told["dynamic_resources"]["ads_config"]["grpc_services"]
    assert [{"key": "x-consul-token", "value": "secret"}] == grpc["initial_metadata"]
