"""An API gateway: services of the mesh for clients outside of it, by routes that attach to it.

Each port has the gateway's listeners there. With TLS each is a filter chain of its own, chosen by
server name; without, their routes stand together and are told apart by host. Routes lead to the
splitter or resolver of their services, past their routers.
Source: Consul, api-gateway, http-route and tcp-route; Gateway API, precedence of routes.
Limits: requirements of tokens at a gateway are not enforced here, the services' own are.
"""

from collections.abc import Iterable
from typing import NamedTuple

from cryptography import x509
from msgspec.structs import replace

from agent.mesh.settings import ProxySettings
from agent.mesh.snapshot_api_routes import Attached, http_routes
from agent.mesh.snapshot_clusters import Dialling
from agent.mesh.snapshot_inbound import bind_address
from agent.mesh.snapshot_options import http_options, tls_versions
from agent.mesh.snapshot_routes import adopt, routes_of
from agent.mesh.watch_questions import Answers, Chain, Entries, Entry, TextFile
from catalog.rows.config_entry import (
    API_GATEWAY,
    HTTP_ROUTE,
    TCP_ROUTE,
    APIGateway,
    FileSystemCertificate,
    HTTPRoute,
    InlineCertificate,
    TCPRoute,
)
from catalog.rows.config_entry.api_gateway import APIGatewayListener, CertificateReference
from catalog.rows.config_entry.tls_settings import TLSParameters
from catalog.rows.service import NodeService
from proxy.api import Cluster, FilterChain, Listener, Protocol, Route, ServerTls


class Served(NamedTuple):
    """The listeners of an API gateway, one a port, and the clusters behind them."""

    listeners: tuple[Listener, ...]
    clusters: dict[str, Cluster]


class _Certificate(NamedTuple):
    """PEM of a chain and of its key, and the host names that it is good for."""

    certificates_pem: str
    private_key_pem: str
    names: tuple[str, ...]


def api_gateway_entry(gateway: str, answers: Answers) -> APIGateway | None:
    """The config entry of a gateway, if it is known."""
    for entry in answers.ask(Entry(API_GATEWAY, gateway)) or ():
        if isinstance(entry, APIGateway):
            return entry
    return None


def api_gateway(
    gateway: NodeService, settings: ProxySettings, dialling: Dialling, entry: APIGateway
) -> Served:
    """A gateway with the routes whose services' chains are known."""
    clusters: dict[str, Cluster] = {}
    by_port: dict[int, list[FilterChain]] = {}
    for row in entry.listeners or ():
        chains = by_port.setdefault(row.port, [])
        routes = _routes(row, gateway.service, dialling, clusters)
        if routes:
            chains += _chains(row, routes, gateway.service, dialling.answers)
    listeners = (
        Listener(
            name=f"{entry.name}:{port}",
            direction="gateway",
            address=bind_address(gateway, settings),
            port=port,
            chains=_together(chains),
            handshake_timeout_s=settings.handshake_timeout_s,
        )
        for port, chains in by_port.items()
        if chains
    )
    return Served(tuple(listeners), clusters)


def _routes(
    row: APIGatewayListener, gateway: str, dialling: Dialling, clusters: dict[str, Cluster]
) -> tuple[Route, ...]:
    if row.protocol == "http":
        found = dialling.answers.ask(Entries(HTTP_ROUTE)) or ()
        attached = [each for each in found if isinstance(each, HTTPRoute)]
        mine = [each for each in attached if _is_attached(each, gateway, row)]
        return http_routes(Attached(mine, row.hostname, dialling), clusters, f"{row.name}:")
    for each in dialling.answers.ask(Entries(TCP_ROUTE)) or ():
        if isinstance(each, TCPRoute) and _is_attached(each, gateway, row):
            for service in each.services or ():
                return _tcp_routes(service.name, dialling, clusters, row.name)
    return ()


def _is_attached(route: HTTPRoute | TCPRoute, gateway: str, row: APIGatewayListener) -> bool:
    return any(
        parent.name.lower() == gateway.lower() and parent.section_name in {"", row.name}
        for parent in route.parents or ()
    )


def _tcp_routes(
    service: str, dialling: Dialling, clusters: dict[str, Cluster], listener: str
) -> tuple[Route, ...]:
    chain = dialling.answers.ask(Chain(service, dialling.place.datacenter))
    if chain is None:
        return ()
    routed = routes_of(chain, dialling)
    return adopt(routed.routes, routed.clusters, clusters, listener)


def _chains(
    row: APIGatewayListener, routes: tuple[Route, ...], gateway: str, answers: Answers
) -> Iterable[FilterChain]:
    """One chain for each certificate of a listener; the first serves whoever asks for no other."""
    protocol: Protocol = "http" if row.protocol == "http" else "tcp"
    chain = FilterChain(
        protocol=protocol,
        source=gateway,
        routes=routes,
        http=replace(http_options(answers), forwarded_client_cert=False, sanitize_client_cert=True),
    )
    references = row.tls.certificates or ()
    if not references:
        yield chain
        return
    found = [each for each in (_certificate(one, answers) for one in references) if each]
    for number, certificate in enumerate(found):
        fallback = (row.hostname,) if row.hostname and row.hostname != "*" else ()
        yield replace(
            chain,
            server_names=certificate.names if number else fallback,
            tls=_tls(row, certificate, protocol),
        )


def _tls(row: APIGatewayListener, certificate: _Certificate, protocol: Protocol) -> ServerTls:
    versions = TLSParameters(
        tls_min_version=row.tls.min_version,
        tls_max_version=row.tls.max_version,
        cipher_suites=row.tls.cipher_suites,
    )
    return ServerTls(
        certificates_pem=certificate.certificates_pem,
        private_key_pem=certificate.private_key_pem,
        mutual=False,
        alpn=() if protocol == "tcp" else ("h2", "http/1.1"),
        versions=tls_versions(versions),
    )


def _certificate(reference: CertificateReference, answers: Answers) -> _Certificate | None:
    """The certificate of an entry; None while it, or its files, are not known."""
    for entry in answers.ask(Entry(reference.kind, reference.name)) or ():
        if isinstance(entry, InlineCertificate):
            chain, key = entry.certificate, entry.private_key
        elif isinstance(entry, FileSystemCertificate):
            chain = answers.ask(TextFile(entry.certificate)) or ""
            key = answers.ask(TextFile(entry.private_key)) or ""
        else:
            continue
        if chain and key:
            return _Certificate(chain, key, _names(chain))
    return None


def _names(pem: str) -> tuple[str, ...]:
    """The DNS names of the first certificate; none if it cannot be read."""
    try:
        leaf = x509.load_pem_x509_certificates(pem.encode())[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def _together(chains: list[FilterChain]) -> tuple[FilterChain, ...]:
    """Plain HTTP chains as one: nothing but the host of a request tells them apart."""
    plain = [each for each in chains if each.tls is None and each.protocol == "http"]
    if len(plain) < 2:
        return tuple(chains)
    routes = tuple(route for each in plain for route in each.routes)
    rest = [each for each in chains if each not in plain]
    return (*rest, replace(plain[0], routes=routes))
