from agent.mesh.xds.routes import rate_limit, route_configuration
from proxy.api import Route, RouteMatch, WeightedCluster
from tests.agent.mesh.xds.xds_world import ROUTES


def test_a_route_of_any_host_is_tried_for_each_host() -> None:
    named, every = route_configuration("api", ROUTES)["virtual_hosts"]

    assert ["router:api[0]", "resolver:api"] == [route["name"] for route in named["routes"]]
    assert ["api.example.com", "*.example.org", "api.example.com:*", "*.example.org:*"] == (
        named["domains"]
    )
    assert ["*"] == every["domains"]
    assert ["resolver:api"] == [route["name"] for route in every["routes"]]


def test_routes_keep_their_order_before_a_route_of_a_host() -> None:
    routes = [
        Route(name=name, match=RouteMatch(hosts=hosts), clusters=(WeightedCluster(cluster="a"),))
        for name, hosts in (("one", ()), ("two", ("a.example",)), ("three", ()))
    ]

    hosts = route_configuration("x", routes)["virtual_hosts"]

    found = {next(iter(host["domains"])): [r["name"] for r in host["routes"]] for host in hosts}
    assert {"*": ["one", "three"], "a.example": ["one", "two", "three"]} == found


def test_words_that_envoy_does_not_know_are_left_out() -> None:
    (named, _) = route_configuration("api", ROUTES)["virtual_hosts"]

    retry = named["routes"][0]["route"]["retry_policy"]
    assert "5xx,retriable-status-codes" == retry["retry_on"]


def test_a_bucket_holds_at_least_one() -> None:
    bucket = rate_limit(0.2, 0.2)["token_bucket"]

    assert (1, 1) == (bucket["max_tokens"], bucket["tokens_per_fill"])
