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
