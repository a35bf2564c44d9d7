"""Claims about connect proxy and connect envoy. The running of both: tests/compat/test_envoy.py."""

import json

SERVICES = "/v1/agent/services"
SIDECAR = {
    "ID": "web-sidecar-proxy",
    "Service": "web-sidecar-proxy",
    "Kind": "connect-proxy",
    "Proxy": {"DestinationServiceID": "web", "DestinationServiceName": "web"},
}


def test_the_bootstrap_names_the_proxy_and_the_agent(agent, cli):
    agent.say("GET", SERVICES, {"web-sidecar-proxy": SIDECAR})
    agent.say("GET", "/v1/agent/service/web-sidecar-proxy", SIDECAR)

    result = cli("connect", "envoy", "-sidecar-for=web", "-bootstrap", "-grpc-addr=10.0.0.1:8503")

    told = json.loads(result.out)
    assert {"id": "web-sidecar-proxy", "cluster": "web"} == told["node"]
    assert '"10.0.0.1"' in result.out
    assert 19000 == told["admin"]["address"]["socket_address"]["port_value"]


def test_a_proxy_must_be_named(cli):
    result = cli("connect", "envoy", "-bootstrap")

    assert (1, True) == (result.code, result.err.startswith("No proxy ID specified."))


def test_an_instance_with_several_sidecars_needs_more_words(agent, cli):
    other = {**SIDECAR, "ID": "other"}
    agent.say("GET", SERVICES, {"web-sidecar-proxy": SIDECAR, "other": other})

    result = cli("connect", "envoy", "-sidecar-for=web", "-bootstrap")

    assert 1 == result.code
    assert "More than one sidecar proxy registered for web" in result.err
    assert "other, web-sidecar-proxy" in result.err


def test_a_gateway_is_found_by_its_kind(agent, cli):
    gateway = {"ID": "gate", "Service": "gate", "Kind": "mesh-gateway"}
    agent.say("GET", SERVICES, {"gate": gateway, "web-sidecar-proxy": SIDECAR})
    agent.say("GET", "/v1/agent/service/gate", gateway)

    result = cli("connect", "envoy", "-gateway=mesh", "-bootstrap")

    assert "gate" == json.loads(result.out)["node"]["id"]


def test_a_kind_of_gateway_that_is_none_is_refused(cli):
    result = cli("connect", "envoy", "-gateway=api", "-bootstrap")

    assert (1, '-gateway must be one of mesh, terminating, ingress, not "api"\n') == (
        result.code,
        result.err,
    )


def test_addresses_must_have_a_port(agent, cli):
    result = cli("connect", "envoy", "-proxy-id=web", "-bootstrap", "-admin-bind=localhost")

    assert 'invalid value "localhost" for flag -admin-bind: must be host:port\n' == result.err


def test_a_listener_needs_to_know_the_local_service(agent, cli):
    agent.say("GET", "/v1/internal/mesh/feed", {"Path": "/run/feed.sock"})

    result = cli("connect", "proxy", "-service=web", "-listen=127.0.0.1:8443")

    assert (1, True) == (result.code, result.err.startswith("-listen needs -service-addr"))


def test_an_upstream_is_a_name_and_a_port(agent, cli):
    agent.say("GET", "/v1/internal/mesh/feed", {"Path": "/run/feed.sock"})

    result = cli("connect", "proxy", "-service=web", "-upstream=db")

    assert 'invalid value "db" for flag -upstream: must be name:port\n' == result.err
