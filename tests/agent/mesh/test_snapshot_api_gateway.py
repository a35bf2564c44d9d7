"""API gateways."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from agent.mesh.watch_questions import Entries, TextFile
from catalog.rows.config_entry import (
    API_GATEWAY,
    HTTP_ROUTE,
    INLINE_CERTIFICATE,
    TCP_ROUTE,
    APIGateway,
    ConfigEntry,
    FileSystemCertificate,
    HTTPRoute,
    InlineCertificate,
    ServiceDefaults,
    TCPRoute,
    normalize,
)
from catalog.rows.config_entry.api_gateway import (
    APIGatewayListener,
    APIGatewayTLS,
    CertificateReference,
)
from catalog.rows.config_entry.file_system_certificate import FILE_SYSTEM_CERTIFICATE
from catalog.rows.config_entry.http_route import HTTPRouteRule, HTTPRouteService
from catalog.rows.config_entry.tcp_route import RouteParent, TCPRouteService
from catalog.rows.service import KIND_API_GATEWAY, NodeService
from proxy.api import TlsVersions
from tests.agent.mesh.world import World, uri

GATEWAY = NodeService(kind=KIND_API_GATEWAY, id="gate", service="gate", address="10.0.0.1")
WEB = ServiceDefaults(name="web", protocol="http")


def listener(name: str, port: int, protocol: str = "http", **rest: object) -> APIGatewayListener:
    return APIGatewayListener(name=name, port=port, protocol=protocol, **rest)  # type: ignore[arg-type] # fields by name


def http_route(name: str = "r", section: str = "", *hosts: str) -> HTTPRoute:
    parent = RouteParent(kind=API_GATEWAY, name="gate", section_name=section)
    rule = HTTPRouteRule(services=(HTTPRouteService(name="web"),))
    return HTTPRoute(name=name, parents=(parent,), rules=(rule,), hostnames=hosts or None)


def world(*entries: ConfigEntry) -> World:
    made = World(WEB, *entries)
    for kind in (HTTP_ROUTE, TCP_ROUTE):
        made.knows(Entries(kind), tuple(each for each in made.entries if each.kind == kind))
    return made


def gateway(*listeners: APIGatewayListener) -> APIGateway:
    entry = normalize(APIGateway(name="gate", listeners=listeners))
    assert isinstance(entry, APIGateway)
    return entry


def certificate(*names: str) -> tuple[str, str]:
    """A certificate for host names, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), True)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM).decode(), pem.decode()


def test_http_routes_attach_to_the_listener_that_they_name_or_to_all() -> None:
    entry = gateway(listener("a", 8080), listener("b", 8081))

    config = world(entry, http_route("one", "a"), http_route("all")).config(GATEWAY)

    told = {each.port: [route.name for route in each.chains[0].routes] for each in config.listeners}
    assert {8080: ["http-route:one[0]", "http-route:all[0]"], 8081: ["http-route:all[0]"]} == told
    assert "10.0.0.1" == config.listeners[0].address
    tls = config.clusters["web.default.dc1"].groups[0].tls
    assert tls is not None
    assert ("gate", (uri("web"),)) == (tls.identity, tls.peer_uris)


def test_a_tcp_route_leads_to_its_service() -> None:
    parent = RouteParent(kind=API_GATEWAY, name="gate")
    route = TCPRoute(name="t", parents=(parent,), services=(TCPRouteService(name="db"),))

    (found,) = world(gateway(listener("t", 5432, "tcp")), route).config(GATEWAY).listeners

    (chain,) = found.chains
    assert ("tcp", "db.default.dc1") == (chain.protocol, chain.routes[0].clusters[0].cluster)


def test_a_listener_without_routes_is_not_there() -> None:
    other = replace(http_route(), parents=(RouteParent(kind=API_GATEWAY, name="other"),))

    assert () == world(gateway(listener("a", 8080)), other).config(GATEWAY).listeners


def test_plain_listeners_of_one_port_are_told_apart_by_host() -> None:
    entry = gateway(
        listener("a", 8080, hostname="a.example"), listener("b", 8080, hostname="b.example")
    )

    (found,) = world(entry, http_route()).config(GATEWAY).listeners

    (chain,) = found.chains
    assert [("a.example",), ("b.example",)] == [route.match.hosts for route in chain.routes]


def test_certificates_are_chosen_by_the_names_in_them() -> None:
    first, second = certificate("a.example"), certificate("b.example", "c.example")
    entries = (
        InlineCertificate(name="one", certificate=first[0], private_key=first[1]),
        FileSystemCertificate(name="two", certificate="/c.pem", private_key="/k.pem"),
    )
    tls = APIGatewayTLS(
        certificates=(
            CertificateReference(kind=INLINE_CERTIFICATE, name="one"),
            CertificateReference(kind=FILE_SYSTEM_CERTIFICATE, name="two"),
            CertificateReference(kind=INLINE_CERTIFICATE, name="missing"),
        ),
        min_version="TLSv1_3",
    )
    made = world(gateway(listener("a", 8443, tls=tls)), http_route(), *entries)
    made.knows(TextFile("/c.pem"), second[0]).knows(TextFile("/k.pem"), second[1])

    (found,) = made.config(GATEWAY).listeners

    usual, other = found.chains
    assert ((), ("b.example", "c.example")) == (usual.server_names, other.server_names)
    assert usual.tls is not None
    assert (*first, False) == (
        usual.tls.certificates_pem,
        usual.tls.private_key_pem,
        usual.tls.mutual,
    )
    assert TlsVersions(min="TLSv1_3") == usual.tls.versions


def test_with_tls_the_hostname_is_the_server_name() -> None:
    pem, key = certificate("x.example")
    tls = APIGatewayTLS(certificates=(CertificateReference(kind=INLINE_CERTIFICATE, name="one"),))
    entry = gateway(listener("a", 8443, tls=tls, hostname="a.example"))
    inline = InlineCertificate(name="one", certificate=pem, private_key=key)

    (found,) = world(entry, http_route(), inline).config(GATEWAY).listeners

    assert ("a.example",) == found.chains[0].server_names


def test_a_certificate_that_is_not_known_serves_nobody() -> None:
    tls = APIGatewayTLS(certificates=(CertificateReference(kind=INLINE_CERTIFICATE, name="x"),))

    assert (
        () == world(gateway(listener("a", 8443, tls=tls)), http_route()).config(GATEWAY).listeners
    )


def test_without_its_entry_a_gateway_is_nobody() -> None:
    assert world().build(GATEWAY) is None
