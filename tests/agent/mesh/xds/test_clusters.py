from agent.mesh.xds.clusters import clusters, endpoints
from proxy.api import Balance, Cluster, ProxyConfig
from tests.agent.mesh.xds.xds_world import CONFIG


def by_name() -> dict[str, dict[str, object]]:
    return {cluster["name"]: cluster for cluster in clusters(CONFIG)}


def test_failover_is_a_priority_with_its_own_identity() -> None:
    given = {each["cluster_name"]: each for each in endpoints(CONFIG)}

    groups = given["v1.api.default.dc1"]["endpoints"]
    assert [0, 1] == [group["priority"] for group in groups]
    matches = by_name()["v1.api.default.dc1"]["transport_socket_matches"]
    assert isinstance(matches, list)
    assert ["api.sni", "v2.sni"] == [
        match["transport_socket"]["typed_config"]["sni"] for match in matches
    ]


def test_a_cluster_with_a_host_name_is_looked_up_by_envoy() -> None:
    assert "STRICT_DNS" == by_name()["dc2"]["type"]
    assert "dc2" not in {each["cluster_name"] for each in endpoints(CONFIG)}


def test_an_instance_has_its_weight() -> None:
    given = {each["cluster_name"]: each for each in endpoints(CONFIG)}

    (first, _) = given["v1.api.default.dc1"]["endpoints"]
    assert [3] == [each["load_balancing_weight"] for each in first["lb_endpoints"]]


def test_limits_that_are_not_given_are_envoys() -> None:
    (given,) = clusters(
        ProxyConfig(
            id="web",
            service="web",
            clusters={"a": Cluster(name="a", service="a", connections_max=0)},
        )
    )

    (limits,) = given["circuit_breakers"]["thresholds"]
    assert 0 == limits["max_connections"]
    assert "max_requests" not in limits


def test_a_policy_that_envoy_lacks_is_its_nearest() -> None:
    cluster = Cluster(name="a", service="a", balance=Balance(policy="peak_ewma"))

    (given,) = clusters(ProxyConfig(id="web", service="web", clusters={"a": cluster}))

    assert "LEAST_REQUEST" == given["lb_policy"]
