from itertools import pairwise

import pytest

from catalog.chain.compile import SPLITTER_DEPTH_MAX, compile_chain
from catalog.chain.entries import ChainEntries
from catalog.chain.errors import GraphError
from catalog.chain.overrides import Overrides
from catalog.duration import SECOND
from catalog.rows.config_entry.entry import go_numbers
from catalog.shape import to_json

TRUST_DOMAIN = "11111111-2222-3333-4444-555555555555.consul"


@pytest.fixture
def chain(entries):
    def chain(*bodies, service="web", **overrides):
        lookup = ChainEntries.of(entries(*bodies))
        return compile_chain(service, "dc1", TRUST_DOMAIN, lookup, Overrides(**overrides))

    return chain


def http(name):
    return {"Kind": "service-defaults", "Name": name, "Protocol": "http"}


def splitter(name, *splits):
    listed = [{"Weight": weight, "Service": service} for weight, service in splits]
    return {"Kind": "service-splitter", "Name": name, "Splits": listed}


def resolver(name, **fields):
    return {"Kind": "service-resolver", "Name": name, **fields}


def shares(chain, key):
    return [(split.weight, split.next_node) for split in chain.nodes[key].splits]


def test_service_without_entries_has_one_default_resolver(chain):
    name = f"web.default.dc1.internal.{TRUST_DOMAIN}"

    assert {
        "ServiceName": "web",
        "Namespace": "default",
        "Datacenter": "dc1",
        "Protocol": "tcp",
        "StartNode": "resolver:web.default.dc1",
        "Nodes": {
            "resolver:web.default.dc1": {
                "Type": "resolver",
                "Name": "web.default.dc1",
                "Resolver": {"ConnectTimeout": "5s", "Default": True, "Target": "web.default.dc1"},
            }
        },
        "Targets": {
            "web.default.dc1": {
                "ID": "web.default.dc1",
                "Service": "web",
                "Namespace": "default",
                "Datacenter": "dc1",
                "MeshGateway": {},
                "Subset": {},
                "SNI": name,
                "Name": name,
            }
        },
    } == to_json(chain())


def test_overrides_that_matter_are_named_by_the_hash_of_consul(chain):
    compiled = chain(protocol="http", connect_timeout=7 * SECOND, mesh_gateway_mode="local")

    # Recorded: the mesh gateway has no part, since the target is in the same datacenter.
    assert compiled.customization_hash == "89a4d3b7"
    assert compiled.protocol == "http"
    assert compiled.nodes[compiled.start_node].resolver.connect_timeout == 7 * SECOND


def test_override_that_changes_nothing_has_no_hash(chain):
    assert chain(protocol="tcp", connect_timeout=5 * SECOND).customization_hash == ""


def test_router_leads_on_and_ends_at_its_own_service(chain):
    router = {
        "Kind": "service-router",
        "Name": "web",
        "Routes": [{"Match": {"HTTP": {"PathPrefix": "/b"}}, "Destination": {"Service": "b"}}],
    }

    compiled = chain(http("web"), http("b"), splitter("web", (75, ""), (25, "b")), router)

    assert compiled.start_node == "router:web.default"
    assert [
        {
            "Definition": router["Routes"][0],
            "NextNode": "resolver:b.default.dc1",
        },
        {
            "Definition": {
                "Match": {"HTTP": {"PathPrefix": "/"}},
                "Destination": {"Service": "web", "Namespace": "default"},
            },
            "NextNode": "splitter:web.default",
        },
    ] == to_json(compiled)["Nodes"]["router:web.default"]["Routes"]
    splits = go_numbers(to_json(compiled))["Nodes"]["splitter:web.default"]["Splits"]
    expected = {"Weight": 75, "NextNode": "resolver:web.default.dc1"}
    assert expected == splits[0]


def test_splitter_below_a_splitter_is_merged(chain):
    compiled = chain(
        http("web"), http("b"), http("c"),
        splitter("web", (50, ""), (50, "b")),
        splitter("b", (90, ""), (10, "c")),
    )  # fmt: skip

    assert shares(compiled, "splitter:web.default") == [
        (50, "resolver:web.default.dc1"),
        (45, "resolver:b.default.dc1"),
        (5, "resolver:c.default.dc1"),
    ]
    assert "splitter:b.default" not in compiled.nodes


def test_splitters_in_a_circle_are_refused(chain):
    with pytest.raises(GraphError, match="detected circular reference"):
        chain(http("web"), http("b"), splitter("web", (100, "b")), splitter("b", (100, "web")))


def test_splitters_below_each_other_are_limited(chain):
    names = ["web", *(f"s{number}" for number in range(SPLITTER_DEPTH_MAX + 1))]
    bodies = [splitter(name, (100, below)) for name, below in pairwise(names)]

    with pytest.raises(GraphError, match="splitters below each other"):
        chain(*bodies, *map(http, names))


def test_redirect_replaces_the_service(chain):
    compiled = chain(resolver("web", Redirect={"Service": "new", "Datacenter": "dc2"}))

    assert compiled.start_node == "resolver:new.default.dc2"
    assert list(compiled.targets) == ["new.default.dc2"]


def test_redirects_in_a_circle_are_refused(chain):
    with pytest.raises(GraphError, match="detected circular resolver redirect"):
        chain(
            resolver("web", Redirect={"Service": "b"}), resolver("b", Redirect={"Service": "web"})
        )


def test_default_subset_has_its_own_target(chain):
    compiled = chain(
        resolver(
            "web", DefaultSubset="v1", Subsets={"v1": {"Filter": "a == b"}}, ConnectTimeout="9s"
        )
    )

    target = compiled.targets["v1.web.default.dc1"]
    assert target.subset.filter == "a == b"
    assert f"v1.web.default.dc1.internal.{TRUST_DOMAIN}" == target.sni
    assert compiled.nodes[compiled.start_node].resolver.connect_timeout == 9 * SECOND


def test_missing_subset_is_refused(chain):
    with pytest.raises(GraphError, match='service "b" does not have a subset named "v9"'):
        chain(resolver("web", Redirect={"Service": "b", "ServiceSubset": "v9"}))


def test_failover_lists_targets_that_are_no_nodes(chain):
    compiled = chain(
        resolver("web", Failover={"*": {"Datacenters": ["dc2", "dc1", "dc3"]}}),
        {"Kind": "proxy-defaults", "Name": "global", "MeshGateway": {"Mode": "remote"}},
    )

    assert list(compiled.nodes) == ["resolver:web.default.dc1"]
    failover = compiled.nodes["resolver:web.default.dc1"].resolver.failover
    assert failover.targets == ("web.default.dc2", "web.default.dc3")
    modes = {name: target.mesh_gateway.mode for name, target in compiled.targets.items()}
    assert modes == {
        "web.default.dc1": "",
        "web.default.dc2": "remote",
        "web.default.dc3": "remote",
    }


def test_failover_to_another_service_stays_in_the_datacenter(chain):
    compiled = chain(resolver("web", Failover={"*": {"Service": "spare"}}))

    failover = compiled.nodes["resolver:web.default.dc1"].resolver.failover
    assert failover.targets == ("spare.default.dc1",)


def test_advanced_routing_needs_a_protocol_of_requests(chain):
    with pytest.raises(
        GraphError,
        match=r'^discovery chain "web" uses a protocol "tcp" that does not permit advanced '
        "routing or splitting behavior$",
    ):
        chain(splitter("web", (100, "")))


def test_services_of_a_chain_agree_on_the_protocol(chain):
    with pytest.raises(
        GraphError,
        match='discovery chain "web" uses inconsistent protocols; service "b" has "tcp" which is '
        'not "http"',
    ):
        chain(http("web"), splitter("web", (50, ""), (50, "b")))


def test_protocol_of_connections_turns_routing_off(chain):
    compiled = chain(http("web"), splitter("web", (100, "")), protocol="tcp")

    assert (compiled.protocol, compiled.start_node) == ("tcp", "resolver:web.default.dc1")


def test_external_service_keeps_its_own_name(chain):
    external = {"Kind": "service-defaults", "Name": "web", "ExternalSNI": "out.example"}

    target = chain(external).targets["web.default.dc1"]

    assert (target.external, target.sni) == (True, "out.example")
    with pytest.raises(GraphError, match="cannot define subsets for external services"):
        chain(external, resolver("web", Subsets={"v1": {}}))


def test_service_needs_a_name(chain):
    with pytest.raises(GraphError, match="serviceName is required"):
        chain(service="")


def test_mirror_is_a_target_of_the_chain(chain):
    router = {
        "Kind": "service-router",
        "Name": "web",
        "Routes": [{"Destination": {"Mirror": {"Service": "shadow", "ServiceSubset": "v2"}}}],
    }
    bodies = (http("web"), http("shadow"), router, resolver("shadow", Subsets={"v2": {}}))

    compiled = chain(*bodies)

    first, _ = compiled.nodes["router:web.default"].routes
    assert "resolver:v2.shadow.default.dc1" == first.mirror_node
    assert {"v2.shadow.default.dc1", "web.default.dc1"} == set(compiled.targets)
    assert "resolver:v2.shadow.default.dc1" in compiled.nodes


def test_failover_targets_are_listed_in_order_once_and_without_the_place_itself(chain):
    targets = [
        {"Datacenter": "dc2"},
        {"Service": "backup"},
        {"Service": "backup"},
        {"Service": "web", "Peer": "west"},
        {"Service": "web"},
    ]

    compiled = chain(resolver("web", Failover={"*": {"Targets": targets}}, RequestTimeout="3s"))

    peer = "web.default.default.external.west"
    found = compiled.nodes["resolver:web.default.dc1"].resolver
    assert ("web.default.dc2", "backup.default.dc1", peer) == found.failover.targets
    assert 3 * SECOND == found.request_timeout
    assert f"web.default.default.west.external.{TRUST_DOMAIN}" == compiled.targets[peer].sni
    assert ("west", "") == (compiled.targets[peer].peer, compiled.targets[peer].datacenter)


def test_redirect_to_a_peer_ends_there(chain):
    compiled = chain(resolver("web", Redirect={"Service": "api", "Peer": "west"}))

    assert "resolver:api.default.default.external.west" == compiled.start_node


def test_splitter_hashes_as_the_first_of_its_targets_that_does(chain):
    hashing = {"Policy": "maglev", "HashPolicies": [{"SourceIP": True}]}

    compiled = chain(
        http("web"),
        http("a"),
        splitter("web", (50, "web"), (50, "a")),
        resolver("web", LoadBalancer={"Policy": "random"}),
        resolver("a", LoadBalancer=hashing),
    )

    assert "maglev" == compiled.nodes["splitter:web.default"].load_balancer.policy


def test_split_tells_of_its_headers(chain):
    edits = {"Set": {"x-canary": "1"}}
    body = splitter("web", (100, "web"))
    body["Splits"][0]["RequestHeaders"] = edits

    (split,) = to_json(chain(http("web"), body))["Nodes"]["splitter:web.default"]["Splits"]

    assert edits == split["Definition"]["RequestHeaders"]


def test_policy_of_failovers_is_the_one_of_all_proxies_unless_told(chain):
    policy = {"Mode": "sequential"}
    proxies = {"Kind": "proxy-defaults", "Name": "global", "FailoverPolicy": policy}

    compiled = chain(proxies, resolver("web", Failover={"*": {"Service": "b"}}))

    node = to_json(compiled)["Nodes"]["resolver:web.default.dc1"]
    assert {"Targets": ["b.default.dc1"], "Policy": policy} == node["Resolver"]["Failover"]
