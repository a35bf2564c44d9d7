"""Claims about catalog. Source: surface.md §6 and §14.2."""

import pytest

NODES = [
    {
        "ID": "1165fa96-8369-fbea-edbd-d9572d6b6fc7",
        "Node": "devn",
        "Address": "127.0.0.1",
        "Datacenter": "dc1",
        "TaggedAddresses": {"wan": "127.0.0.1", "lan": "127.0.0.1"},
        "Meta": {"consul-network-segment": ""},
    },
    {
        "ID": "",
        "Node": "ext",
        "Address": "1.2.3.4",
        "Datacenter": "dc1",
        "TaggedAddresses": None,
        "Meta": None,
    },
]


@pytest.fixture
def nodes(agent):
    agent.say("GET", "/v1/catalog/nodes", NODES)
    return agent


def test_datacenters_are_printed_one_a_line(agent, cli):
    agent.say("GET", "/v1/catalog/datacenters", ["dc1", "dc2"])

    assert cli("catalog", "datacenters").out == "dc1\ndc2\n"


def test_nodes_print_short_ids(nodes, cli):
    assert cli("catalog", "nodes").out == (
        "Node  ID        Address    DC\n"
        "devn  1165fa96  127.0.0.1  dc1\n"
        "ext             1.2.3.4    dc1\n"
    )


def test_detailed_nodes_print_addresses_and_metadata(nodes, cli):
    lines = cli("catalog", "nodes", "-detailed").out.splitlines()

    assert lines[0].split() == ["Node", "ID", "Address", "DC", "TaggedAddresses", "Meta"]
    assert "lan=127.0.0.1, wan=127.0.0.1  consul-network-segment=" in lines[1]


def test_no_nodes_is_said_with_code_0(agent, cli):
    agent.say("GET", "/v1/catalog/nodes", [])

    result = cli("catalog", "nodes", "-near=_agent", "-node-meta=a=b", "-filter=Node == x")

    assert (result.code, result.out) == (
        0,
        "No nodes match the given query - try expanding your search.\n",
    )
    expected = {"near": "_agent", "node-meta": "a:b", "filter": "Node == x"}
    assert expected == agent.requests[0].query


def test_nodes_of_a_service_are_listed_once(agent, cli):
    row = {**NODES[0], "NodeMeta": {}}
    agent.say("GET", "/v1/catalog/service/web", [row, row])

    assert cli("catalog", "nodes", "-service=web").out.count("devn") == 1


def test_services_with_tags_keep_the_gap_of_six(agent, cli):
    found = {"web": ["b", "a"], "consul": [], "web-sidecar-proxy": []}
    agent.say("GET", "/v1/catalog/services", found)

    assert cli("catalog", "services").out == "consul\nweb\nweb-sidecar-proxy\n"
    assert cli("catalog", "services", "-tags").out == (
        "consul                 \nweb                    a,b\nweb-sidecar-proxy      \n"
    )


def test_services_of_a_node(agent, cli):
    services = {"w1": {"Service": "web", "Tags": ["a"]}, "w2": {"Service": "web", "Tags": None}}
    agent.say("GET", "/v1/catalog/node/n1", {"Node": {}, "Services": services})

    assert cli("catalog", "services", "-node=n1").out == "web\n"
    assert "key=value" in cli("catalog", "services", "-node-meta=x").err
