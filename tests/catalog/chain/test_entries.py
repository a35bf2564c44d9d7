from catalog.chain.entries import ChainEntries

PROXY = {
    "Kind": "proxy-defaults",
    "Name": "global",
    "Config": {"protocol": "http2"},
    "MeshGateway": {"Mode": "local"},
}
WEB = {
    "Kind": "service-defaults",
    "Name": "web",
    "Protocol": "grpc",
    "MeshGateway": {"Mode": "none"},
}


def test_own_settings_come_before_those_of_all_proxies(entries):
    lookup = ChainEntries.of(entries(PROXY, WEB))

    assert (lookup.protocol("Web"), lookup.protocol("b")) == ("grpc", "http2")
    assert (lookup.mesh_gateway_mode("web"), lookup.mesh_gateway_mode("b")) == ("none", "local")
    assert ChainEntries().protocol("web") == "tcp"


def test_references_name_who_depends_on_a_service(entries):
    lookup = ChainEntries.of(
        entries(
            {"Kind": "service-router", "Name": "r", "Routes": [{"Destination": {"Service": "x"}}]},
            {"Kind": "service-splitter", "Name": "s", "Splits": [{"Weight": 100, "Service": "x"}]},
            {"Kind": "service-resolver", "Name": "d", "Redirect": {"Service": "x"}},
            {"Kind": "service-resolver", "Name": "f", "Failover": {"*": {"Service": "X"}}},
        )
    )

    assert {"x": {"r", "s", "d", "f"}} == lookup.references()


def test_service_that_leaves_its_protocol_blank_has_that_of_all_proxies(entries):
    blank = {"Kind": "service-defaults", "Name": "web"}
    consuls_rule = {"Kind": "mesh", "BlankProtocolIsTCP": True}

    assert "http2" == ChainEntries.of(entries(PROXY, blank)).protocol("web")
    assert "tcp" == ChainEntries.of(entries(PROXY, blank, consuls_rule)).protocol("web")
    assert "http2" == ChainEntries.of(entries(PROXY, blank, consuls_rule)).protocol("b")


def test_references_name_mirrors_and_targets_but_not_what_is_with_a_peer(entries):
    mirror = {"Destination": {"Mirror": {"Service": "x"}}}
    targets = [{"Service": "x"}, {"Service": "y", "Peer": "west"}]
    lookup = ChainEntries.of(
        entries(
            {"Kind": "service-router", "Name": "r", "Routes": [mirror]},
            {"Kind": "service-resolver", "Name": "f", "Failover": {"*": {"Targets": targets}}},
            {
                "Kind": "service-resolver",
                "Name": "p",
                "Redirect": {"Service": "z", "Peer": "west"},
            },
        )
    )

    assert {"x": {"r", "f"}} == lookup.references()
