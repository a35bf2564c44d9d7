"""How the agent shows registrations. Shapes recorded from Consul 1.9.8."""

import json

from agent.local.registration import plan_service
from agent.local.shown import agent_service, agent_service_json, check_json, client_check_json
from catalog.rows.check import HealthCheck
from catalog.rows.service import NodeService, ServiceConnect, Weights
from tests.agent.local.fakes import service


def test_a_plain_service_has_no_null_and_no_proxy():
    shown = agent_service_json(agent_service(NodeService(id="a", service="a", port=4), "dc1"))

    assert shown == {
        "ID": "a",
        "Service": "a",
        "Tags": [],
        "Meta": {},
        "Port": 4,
        "Address": "",
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
        "Datacenter": "dc1",
    }


def test_a_hash_is_shown_where_asked_for():
    row = agent_service(NodeService(id="a", service="a"), "dc1")

    assert agent_service_json(row, content_hash="ab")["ContentHash"] == "ab"


def test_a_weight_below_one_is_shown_as_one():
    row = NodeService(id="a", service="a", weights=Weights(passing=0, warning=0))

    assert agent_service(row, "dc1").weights == Weights(passing=1, warning=0)


def test_a_native_service_says_so():
    row = NodeService(id="a", service="a", connect=ServiceConnect(native=True))

    assert agent_service_json(agent_service(row, "dc1"))["Connect"] == {"Native": True}


def test_a_proxy_hides_what_is_empty_in_upstreams_but_tells_of_paths():
    body = (
        '{"Kind":"connect-proxy","Name":"p","Port":9100,"Proxy":{"DestinationServiceName":"web",'
        '"Config":{"foo":"bar"},"Upstreams":[{"DestinationName":"db","LocalBindPort":5432}],'
        '"Expose":{"Paths":[{"Path":"/h","LocalPathPort":80,"ListenerPort":21500}]},'
        '"MeshGateway":{"Mode":"local"}}}'
    )
    (planned,) = plan_service(service(body), "n1", lambda _id: 1)

    assert agent_service_json(agent_service(planned.service, "dc1"))["Proxy"] == {
        "DestinationServiceName": "web",
        "Config": {"foo": "bar"},
        "Upstreams": [
            {
                "DestinationType": "service",
                "DestinationName": "db",
                "LocalBindPort": 5432,
                "MeshGateway": {},
            }
        ],
        "MeshGateway": {"Mode": "local"},
        "Expose": {
            "Paths": [
                {
                    "ListenerPort": 21500,
                    "Path": "/h",
                    "LocalPathPort": 80,
                    "ParsedFromCheck": False,
                }
            ]
        },
    }


def test_checks_show_tags_as_a_list_and_an_empty_definition():
    shown = check_json(HealthCheck(node="n1", check_id="c", type="ttl"))

    assert (
        shown["ServiceTags"],
        shown["Definition"],
        shown["Type"],
        shown["CreateIndex"],
    ) == ([], {}, "ttl", 0)


def test_checks_of_the_health_endpoints_have_every_default_and_no_type():
    shown = client_check_json(HealthCheck(node="n1", check_id="c", type="ttl"))

    assert shown["Type"] == ""
    assert (shown["Definition"]["Interval"], shown["Definition"]["Header"]) == ("0s", None)


def test_a_proxy_shows_its_sockets_modes_and_logs():
    proxy = {
        "DestinationServiceName": "web",
        "LocalServiceSocketPath": "/run/web.sock",
        "Mode": "transparent",
        "TransparentProxy": {"OutboundListenerPort": 15001},
        "AccessLogs": {"Enabled": True},
        "EnvoyExtensions": [{"Name": "builtin/lua"}],
        "Upstreams": [
            {
                "DestinationType": "service",
                "DestinationName": "db",
                "DestinationPeer": "west",
                "LocalBindSocketPath": "/run/db.sock",
                "LocalBindSocketMode": "0600",
                "MeshGateway": {},
            }
        ],
        "MeshGateway": {},
        "Expose": {},
    }
    body = json.dumps({"Kind": "connect-proxy", "Name": "p", "Port": 9100, "Proxy": proxy})

    planned = plan_service(service(body), "n", lambda _: 0)
    (row, *_) = (each.service for each in planned)

    assert proxy == agent_service_json(agent_service(row, "dc1"))["Proxy"]
