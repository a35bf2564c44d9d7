"""Why a request goes where it goes."""

from msgspec.structs import replace

from agent.mesh.explain import NO_ROUTE, Asked, Seen, explain
from agent.mesh.explain_answer import Explanation
from catalog.chain import ChainEntries, compile_chain
from catalog.rows.check import CRITICAL, WARNING, CheckServiceNode
from catalog.rows.config_entry import (
    ConfigEntry,
    ServiceDefaults,
    ServiceIntentions,
    ServiceResolver,
    ServiceRouter,
    ServiceSplitter,
)
from catalog.rows.config_entry.http_match import HeaderMatch
from catalog.rows.config_entry.mesh import (
    IncomingHTTP,
    Mesh,
    MeshHTTP,
    RequestNormalization,
)
from catalog.rows.config_entry.service_intentions import (
    Permission,
    PermissionHTTP,
    SourceIntention,
)
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.config_entry.service_router import (
    Route,
    RouteDestination,
    RouteHTTPMatch,
    RouteMatch,
)
from catalog.rows.config_entry.service_splitter import Split
from proxy.api import RouteMatch as Match
from tests.agent.mesh.world import DC1, TRUST_DOMAIN, World, instance, sidecar, upstream, uri

HTTP = (ServiceDefaults(name="web", protocol="http"), ServiceDefaults(name="db", protocol="http"))
ASKED = Asked(source="web", destination="db", path="/a?b=c")


def explained(
    *entries: ConfigEntry,
    asked: Asked = ASKED,
    rows: tuple[CheckServiceNode, ...] = (),
    protocol: str = "http",
) -> Explanation:
    """The explanation in a cluster with these entries and instances of db."""
    world = World(*entries).has("db", *rows)
    chain = compile_chain("db", DC1, TRUST_DOMAIN, ChainEntries.of(world.entries))
    seen = Seen(
        source=world.config(sidecar("web", upstream("db"))),
        destinations={"db": world.config(sidecar("db", config={"protocol": protocol}))},
        instances=dict.fromkeys(chain.targets, rows),
        targets=chain.targets,
        local=True,
    )
    return explain(asked, seen)


def allow(*permissions: Permission, action: str = "") -> ServiceIntentions:
    source = SourceIntention(name="web", action=action, permissions=permissions or None)
    return ServiceIntentions(name="db", sources=(source,))


def test_the_whole_way_is_told() -> None:
    found = explained(*HTTP, allow(action="allow"), rows=(instance("db"),))

    assert ("db:127.0.0.1:9191", "http") == (found.listener, found.protocol)
    assert found.route is not None
    assert ("/a?b=c", "default") == (found.route.path_sent, found.route.timeout_from)
    (share,) = found.shares
    (group,) = share.groups
    assert (True, (uri("db"),)) == (group.in_use, group.peer_uris)
    assert share.verdict is not None
    assert share.verdict.allowed
    assert "default/web => default/db" in share.verdict.reason


def test_bytes_are_decided_by_connection() -> None:
    found = explained(allow(action="deny"), rows=(instance("db"),), protocol="tcp")

    (share,) = found.shares
    assert share.verdict is not None
    assert not share.verdict.allowed
    assert found.route is not None
    assert 0 == found.route.timeout


def test_the_permission_that_decides_is_named() -> None:
    get = Permission(action="allow", http=PermissionHTTP(methods=("GET",)))
    rest = Permission(action="deny", http=PermissionHTTP(path_prefix="/"))
    posted = Asked(source="web", destination="db", method="POST")

    allowed = explained(*HTTP, allow(get, rest)).shares[0].verdict
    denied = explained(*HTTP, allow(get, rest), asked=posted).shares[0].verdict

    assert allowed is not None
    assert denied is not None
    assert (True, 1) == (allowed.allowed, allowed.permission)
    assert (False, 2) == (denied.allowed, denied.permission)


def test_the_first_route_that_matches_is_taken_with_its_timeout() -> None:
    canary = Route(
        match=RouteMatch(http=RouteHTTPMatch(header=(HeaderMatch(name="x-canary", present=True),))),
        destination=RouteDestination(request_timeout=2_000_000_000, retry_on=("5xx",)),
    )
    router = ServiceRouter(name="db", routes=(canary,))
    with_header = Asked(source="web", destination="db", headers=(("X-Canary", "1"),))

    taken = explained(*HTTP, router, asked=with_header).route
    usual = explained(*HTTP, router).route

    assert taken is not None
    assert usual is not None
    assert ("router:db[0]", 2_000_000_000, "router:db[0] RequestTimeout") == (
        taken.name,
        taken.timeout,
        taken.timeout_from,
    )
    assert taken.retries is not None
    assert ("5xx",) == taken.retries.on
    assert ("router:db[1]", None) == (usual.name, usual.retries)


def test_splits_are_told_in_percent() -> None:
    resolver = ServiceResolver(name="db", subsets={"v1": Subset(), "v2": Subset()})
    splits = (Split(weight=99.5, service_subset="v1"), Split(weight=0.5, service_subset="v2"))
    splitter = ServiceSplitter(name="db", splits=splits)

    shares = explained(*HTTP, resolver, splitter).shares

    assert [(99.5, "v1.db.default.dc1"), (0.5, "v2.db.default.dc1")] == [
        (share.percent, share.cluster) for share in shares
    ]


def test_instances_that_get_nothing_say_why() -> None:
    v2 = Subset(filter="Service.Meta.v == `2`")
    resolver = ServiceResolver(name="db", default_subset="v2", subsets={"v2": v2})
    good = instance("db", node="n1", meta={"v": "2"})
    other = instance("db", node="n2", meta={"v": "1"})
    ill = instance("db", node="n3", meta={"v": "2"}, status=CRITICAL)

    (share,) = explained(*HTTP, resolver, rows=(good, other, ill)).shares

    told = {each.id.partition("/")[0]: each.why for each in share.groups[0].instances}
    assert {
        "n1": "",
        "n2": "subset v2 wants Service.Meta.v == `2`",
        "n3": "check c is critical",
    } == told


def test_a_filter_that_cannot_be_read_is_told() -> None:
    subsets = {"v2": Subset(filter="what is this"), "v3": Subset(only_passing=True)}
    row = instance("db", status=WARNING)

    bad, warned = (
        explained(
            *HTTP, ServiceResolver(name="db", default_subset=name, subsets=subsets), rows=(row,)
        )
        .shares[0]
        .groups[0]
        .instances[0]
        .why
        for name in ("v2", "v3")
    )

    assert bad.startswith("the filter of subset v2 cannot be read")
    assert "check c is warning" == warned


def test_a_path_that_the_destination_refuses_is_denied() -> None:
    plain = RequestNormalization(path_with_escaped_slashes_action="REJECT_REQUEST")
    mesh = Mesh(http=MeshHTTP(incoming=IncomingHTTP(request_normalization=plain)))
    asked = Asked(source="web", destination="db", path="/a%2Fb")

    verdict = explained(*HTTP, mesh, allow(action="allow"), asked=asked).shares[0].verdict

    assert verdict is not None
    assert (False, "the path has an escaped slash") == (verdict.allowed, verdict.reason)


def test_without_a_proxy_of_the_destination_nobody_knows() -> None:
    world = World(*HTTP)
    seen = Seen(
        source=world.config(sidecar("web", upstream("db"))),
        destinations={},
        instances={},
        targets={},
    )

    found = explain(ASKED, seen)

    assert found.shares[0].verdict is None
    assert found.certificate is not None
    assert "" == found.certificate.serial


def test_the_certificate_of_a_local_proxy_is_the_real_one() -> None:
    certificate = explained(*HTTP).certificate

    assert certificate is not None
    assert (True, "01", "2026-01-04T00:00:00Z") == (
        certificate.local,
        certificate.serial,
        certificate.valid_before,
    )


def test_a_destination_that_is_no_upstream_has_no_way() -> None:
    found = explained(*HTTP, asked=Asked(source="web", destination="other"))

    assert (None, ()) == (found.route, found.shares)


def test_a_request_that_no_route_takes_says_so() -> None:
    world = World(*HTTP)
    source = world.config(sidecar("web", upstream("db")))
    listener = source.listeners[1]
    (chain,) = listener.chains
    only = tuple(replace(route, match=Match(path_exact="/never")) for route in chain.routes)
    changed = replace(listener, chains=(replace(chain, routes=only),))
    seen = Seen(
        source=replace(source, listeners=(source.listeners[0], changed)),
        destinations={},
        instances={},
        targets={},
    )

    assert NO_ROUTE in explain(ASKED, seen).notes
