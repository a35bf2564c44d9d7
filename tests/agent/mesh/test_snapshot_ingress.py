"""Ingress gateways."""

from msgspec.structs import replace

from agent.mesh.snapshot_ingress import dns_names
from agent.mesh.watch_questions import Entry, Leaf, Linked
from catalog.rows.config_entry import IngressGateway, ServiceDefaults
from catalog.rows.config_entry import ingress_gateway as rows
from catalog.rows.config_entry.service_router import HeaderModifiers
from catalog.rows.config_entry.upstream_defaults import PassiveHealthCheck
from catalog.rows.service import KIND_INGRESS_GATEWAY, GatewayService, NodeService
from proxy.api import HeaderEdits, TlsVersions
from tests.agent.mesh.world import PLACE, World, leaf, uri

GATEWAY = NodeService(
    kind=KIND_INGRESS_GATEWAY, id="gate", service="gate", port=8443, address="10.0.0.1"
)
HTTP = (ServiceDefaults(name="web", protocol="http"), ServiceDefaults(name="api", protocol="http"))
HOSTED = "*.example.com"


def entry(*listeners: rows.IngressListener, tls: bool = False, **rest: object) -> IngressGateway:
    return IngressGateway(
        name="gate",
        listeners=listeners,
        tls=rows.GatewayTLS(enabled=tls),
        **rest,  # type: ignore[arg-type] # fields by name
    )


def listener(
    port: int, protocol: str, *services: rows.IngressService, **rest: object
) -> rows.IngressListener:
    return rows.IngressListener(port=port, protocol=protocol, services=services, **rest)  # type: ignore[arg-type] # fields by name


def service(name: str, *hosts: str, **rest: object) -> rows.IngressService:
    return rows.IngressService(name=name, hosts=hosts or None, **rest)  # type: ignore[arg-type] # fields by name


def test_bytes_go_to_the_one_service_of_a_listener() -> None:
    world = World(entry(listener(9000, "tcp", service("db"))))

    config = world.config(GATEWAY)

    (found,) = config.listeners
    (chain,) = found.chains
    assert ("gateway", "10.0.0.1", 9000) == (found.direction, found.address, found.port)
    assert (None, None, "gate", "db") == (chain.tls, chain.policy, chain.source, chain.destination)
    tls = config.clusters["db.default.dc1"].groups[0].tls
    assert tls is not None
    assert ("gate", (uri("db"),)) == (tls.identity, tls.peer_uris)


def test_services_of_http_are_told_apart_by_hosts() -> None:
    hosted = listener(8080, "http", service("web", HOSTED), service("api"))

    (found,) = World(*HTTP, entry(hosted)).config(GATEWAY).listeners

    assert [(HOSTED,), ("api.ingress.*",)] == [
        route.match.hosts for route in found.chains[0].routes
    ]
    assert "" == found.chains[0].destination


def test_the_wildcard_is_every_linked_service_of_the_protocol() -> None:
    links = tuple(
        GatewayService(
            gateway="gate",
            service=name,
            gateway_kind=KIND_INGRESS_GATEWAY,
            port=port,
            from_wildcard=True,
        )
        for name, port in (("web", 8080), ("db", 8080), ("api", 8081))
    )
    world = World(*HTTP, entry(listener(8080, "http", service("*"))))

    (found,) = world.knows(Linked("gate"), links).config(GATEWAY).listeners

    assert [("web.ingress.*",)] == [route.match.hosts for route in found.chains[0].routes]


def test_tls_shows_the_gateways_leaf_to_anybody() -> None:
    tls = rows.GatewayTLS(enabled=True, tls_min_version="TLSv1_3")
    row = listener(8080, "http", service("web", HOSTED), tls=tls)
    given = entry(row)
    names = ("*.ingress.consul", "*.ingress.dc1.consul", HOSTED)
    place = replace(PLACE, domains=("consul",))
    world = World(*HTTP, given).knows(Leaf("gate", names), leaf("gate", serial="07"))

    config = world.config(GATEWAY, place)

    assert names == dns_names(given, place)
    assert "07" == config.identities["gate"].serial
    shown = config.listeners[0].chains[0].tls
    assert shown is not None
    assert ("gate", False, ("h2", "http/1.1")) == (shown.identity, shown.mutual, shown.alpn)
    assert TlsVersions(min="TLSv1_3") == shown.versions


def test_without_tls_no_names_are_asked_for() -> None:
    given = entry(listener(8080, "http", service("web", HOSTED)))

    assert () == dns_names(given, PLACE)


def test_limits_are_the_services_or_the_gateways() -> None:
    usual = rows.IngressDefaults(
        max_connections=10,
        max_pending_requests=20,
        passive_health_check=PassiveHealthCheck(max_failures=2),
    )
    row = listener(8080, "http", service("web", max_connections=0))

    cluster = World(*HTTP, entry(row, defaults=usual)).config(GATEWAY).clusters["web.default.dc1"]

    assert (0, 20, None) == (cluster.connections_max, cluster.pending_max, cluster.requests_max)
    assert cluster.outlier is not None
    assert 2 == cluster.outlier.failures_max


def test_headers_are_changed_both_ways() -> None:
    row = listener(
        8080,
        "http",
        service(
            "web",
            request_headers=HeaderModifiers(set={"x": "1"}),
            response_headers=HeaderModifiers(remove=("server",)),
        ),
    )

    (route,) = World(*HTTP, entry(row)).config(GATEWAY).listeners[0].chains[0].routes

    assert HeaderEdits(set=(("x", "1"),)) == route.request_headers
    assert HeaderEdits(remove=("server",)) == route.response_headers


def test_what_clients_say_of_certificates_is_not_believed() -> None:
    (found,) = World(*HTTP, entry(listener(8080, "http", service("web")))).config(GATEWAY).listeners

    options = found.chains[0].http
    assert (False, True) == (options.forwarded_client_cert, options.sanitize_client_cert)


def test_without_its_entry_a_gateway_is_not_told_anything() -> None:
    assert World().build(GATEWAY) is None
    assert World().lacks(Entry).build(GATEWAY) is None
    assert () == World(entry(listener(8080, "http", service("db")))).config(GATEWAY).listeners
