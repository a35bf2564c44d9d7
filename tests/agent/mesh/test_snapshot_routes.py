"""From chains to routes."""

from agent.mesh.snapshot_routes import adopt
from catalog.duration import SECOND
from catalog.rows.config_entry import (
    ConfigEntry,
    ServiceDefaults,
    ServiceResolver,
    ServiceRouter,
    ServiceSplitter,
)
from catalog.rows.config_entry import service_router as rows
from catalog.rows.config_entry.http_match import HeaderMatch as HeaderRow
from catalog.rows.config_entry.http_match import QueryParamMatch
from catalog.rows.config_entry.load_balancer import HashPolicy as HashRow
from catalog.rows.config_entry.load_balancer import LoadBalancer
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.config_entry.service_splitter import Split
from proxy.api import (
    Cluster,
    Fault,
    HashPolicy,
    HeaderEdits,
    HeaderMatch,
    Mirror,
    QueryMatch,
    RateLimit,
    RetryPolicy,
    Route,
    RouteMatch,
    WeightedCluster,
)
from tests.agent.mesh.world import World, sidecar, upstream

HTTP = tuple(
    ServiceDefaults(name=name, protocol="http") for name in ("db", "other", "shadow", "web")
)
SUBSETS = ServiceResolver(name="db", subsets={"v1": Subset(), "v2": Subset()})


def routes(*entries: ConfigEntry) -> tuple[Route, ...]:
    """The routes of the upstream db."""
    config = World(*HTTP, *entries).config(sidecar("web", upstream("db")))
    (chain,) = config.listeners[1].chains
    assert "http" == chain.protocol
    return chain.routes


def router(
    destination: rows.RouteDestination | None = None, http: rows.RouteHTTPMatch | None = None
) -> ServiceRouter:
    match = rows.RouteMatch(http=http) if http else None
    return ServiceRouter(name="db", routes=(rows.Route(match=match, destination=destination),))


def routed(destination: rows.RouteDestination, *entries: ConfigEntry) -> Route:
    return routes(router(destination), *entries)[0]


def test_a_resolver_alone_takes_everything() -> None:
    (route,) = routes()

    assert ("resolver:db.default.dc1", RouteMatch()) == (route.name, route.match)
    assert ("db.default.dc1",) == tuple(share.cluster for share in route.clusters)


def test_a_router_gives_its_routes_in_order_and_one_for_the_rest() -> None:
    first, rest = routes(
        router(
            rows.RouteDestination(service="other"),
            rows.RouteHTTPMatch(path_prefix="/other"),
        )
    )

    assert ("router:db[0]", "/other") == (first.name, first.match.path_prefix)
    assert "other.default.dc1" == first.clusters[0].cluster
    assert ("router:db[1]", RouteMatch()) == (rest.name, rest.match)
    assert "db.default.dc1" == rest.clusters[0].cluster


def test_all_conditions_are_kept() -> None:
    http = rows.RouteHTTPMatch(
        path_exact="/a",
        case_insensitive=True,
        header=(HeaderRow(name="x", suffix="s", invert=True),),
        query_param=(QueryParamMatch(name="q", regex="r"),),
        methods=("GET", "PUT"),
    )

    assert (
        RouteMatch(
            path_exact="/a",
            ignore_case=True,
            headers=(HeaderMatch(name="x", suffix="s", invert=True),),
            query=(QueryMatch(name="q", regex="r"),),
            methods=("GET", "PUT"),
        )
        == routes(router(http=http))[0].match
    )


def test_a_subset_is_gone_to_past_the_splitter() -> None:
    splitter = ServiceSplitter(name="db", splits=(Split(weight=100, service="other"),))

    route = routed(rows.RouteDestination(service_subset="v2"), SUBSETS, splitter)

    assert ["v2.db.default.dc1"] == [share.cluster for share in route.clusters]


def test_splits_share_with_hundredths_of_a_percent() -> None:
    edits = rows.HeaderModifiers(set={"x-canary": "1"})
    splits = (
        Split(weight=99.99, service_subset="v1"),
        Split(weight=0.01, service_subset="v2", request_headers=edits),
    )

    (route,) = routes(SUBSETS, ServiceSplitter(name="db", splits=splits))

    assert "splitter:db.default" == route.name
    stable, canary = route.clusters
    assert (9999, 1) == (stable.weight, canary.weight)
    assert ("splitter:db.default", HeaderEdits(set=(("x-canary", "1"),))) == (
        canary.node,
        canary.request_headers,
    )


def test_the_timeout_says_who_gave_it() -> None:
    resolver = ServiceResolver(name="db", request_timeout=7 * SECOND)

    (usual,) = routes()
    (resolved,) = routes(resolver)
    own = routed(rows.RouteDestination(request_timeout=3 * SECOND), resolver)
    never = routed(rows.RouteDestination(request_timeout=-1 * SECOND))
    below = routed(rows.RouteDestination(prefix_rewrite=""), resolver)

    assert [
        (15.0, "default"),
        (7.0, "resolver:db.default.dc1 RequestTimeout"),
        (3.0, "router:db[0] RequestTimeout"),
        (0.0, "router:db[0] RequestTimeout"),
        (7.0, "resolver:db.default.dc1 RequestTimeout"),
    ] == [(each.timeout_s, each.timeout_from) for each in (usual, resolved, own, never, below)]


def test_the_idle_timeout_is_the_routes() -> None:
    assert 300.0 == routes()[0].idle_timeout_s
    assert 9.0 == routed(rows.RouteDestination(idle_timeout=9 * SECOND)).idle_timeout_s
    assert 0.0 == routed(rows.RouteDestination(idle_timeout=-1)).idle_timeout_s


def test_retries_need_a_reason() -> None:
    assert routed(rows.RouteDestination(num_retries=5)).retry is None
    assert RetryPolicy(on=("connect-failure",), count=1) == (
        routed(rows.RouteDestination(retry_on_connect_failure=True)).retry
    )


def test_retries_have_their_times() -> None:
    found = routed(
        rows.RouteDestination(
            num_retries=3,
            retry_on=("5xx", "reset"),
            retry_on_status_codes=(429,),
            per_try_timeout=2 * SECOND,
            retry_back_off=rows.RetryBackOff(base_interval=SECOND // 10),
        )
    ).retry

    assert (
        RetryPolicy(
            on=("5xx", "reset"),
            status_codes=(429,),
            count=3,
            per_try_timeout_s=2.0,
            back_off_s=0.1,
            back_off_max_s=1.0,
        )
        == found
    )


def test_the_path_and_headers_are_changed() -> None:
    destination = rows.RouteDestination(
        prefix_rewrite="/v1",
        request_headers=rows.HeaderModifiers(add={"a": "1"}, remove=("r",)),
        response_headers=rows.HeaderModifiers(set={"s": "2"}),
    )

    route = routes(router(destination, rows.RouteHTTPMatch(path_prefix="/api")))[0]

    assert "/v1" == route.prefix_rewrite
    assert HeaderEdits(add=(("a", "1"),), remove=("r",)) == route.request_headers
    assert HeaderEdits(set=(("s", "2"),)) == route.response_headers


def test_mirrors_faults_and_limits_are_kept() -> None:
    route = routed(
        rows.RouteDestination(
            mirror=rows.Mirror(service="shadow", percent=5.0, body_bytes_max=10),
            fault=rows.Fault(delay=SECOND, delay_percent=1.0, abort_status=503),
            rate_limit=rows.RateLimit(requests_per_second=10),
        )
    )

    assert Mirror(cluster="shadow.default.dc1", percent=5.0, body_bytes_max=10) == route.mirror
    assert (
        Fault(delay_s=1.0, delay_percent=1.0, abort_status=503, abort_percent=100.0) == route.fault
    )
    assert RateLimit(per_second=10.0, burst=10.0) == route.rate_limit


def test_the_first_target_of_a_split_that_hashes_says_how() -> None:
    hashed = LoadBalancer(policy="maglev", hash_policies=(HashRow(source_ip=True),))
    splits = (Split(weight=50, service="db"), Split(weight=50, service="other"))

    (route,) = routes(
        ServiceSplitter(name="db", splits=splits),
        ServiceResolver(name="other", load_balancer=hashed),
    )

    assert [(HashPolicy(source_ip=True),)] * 2 == [each.hash_policies for each in route.clusters]


def test_clusters_of_one_name_and_other_settings_are_told_apart() -> None:
    plain = Cluster(name="db", service="db")
    limited = Cluster(name="db", service="db", connections_max=1)
    route = Route(name="r", clusters=(WeightedCluster(cluster="db"),), mirror=Mirror(cluster="db"))
    clusters = {"db": plain}

    (same,) = adopt((route,), [plain], clusters, "one")
    (other,) = adopt((route,), [limited], clusters, "two")

    assert route == same
    assert "db@two" == other.clusters[0].cluster
    assert other.mirror is not None
    assert "db@two" == other.mirror.cluster
    assert (None, 1) == (clusters["db"].connections_max, clusters["db@two"].connections_max)
