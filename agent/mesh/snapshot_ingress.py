"""An ingress gateway: services of the mesh for clients outside of it.

Each of its listeners has the services of its config entry: one for bytes, several for HTTP, told
apart by the host that a request names. ``*`` is every service with the listener's protocol.
Source: Consul, ingress-gateway.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from agent.mesh.settings import Place, ProxySettings, UpstreamSettings, outlier_of, protocol_of
from agent.mesh.snapshot_api_routes import joined
from agent.mesh.snapshot_clusters import Dialling
from agent.mesh.snapshot_inbound import bind_address
from agent.mesh.snapshot_options import client_versions, http_options, tls_versions
from agent.mesh.snapshot_routes import adopt, header_edits, routes_of
from agent.mesh.watch_questions import Answers, Chain, Entry, Linked
from catalog.rows.config_entry import INGRESS_GATEWAY, IngressGateway
from catalog.rows.config_entry.ingress_gateway import (
    WILDCARD,
    GatewayTLS,
    IngressDefaults,
    IngressListener,
    IngressService,
)
from catalog.rows.config_entry.tls_settings import TLSParameters
from catalog.rows.service import NodeService
from proxy.api import (
    Cluster,
    FilterChain,
    Listener,
    Outlier,
    Protocol,
    Route,
    ServerTls,
)


class Ingress(NamedTuple):
    """The listeners of an ingress gateway, and the clusters behind them."""

    listeners: tuple[Listener, ...]
    clusters: dict[str, Cluster]


class _Gateway(NamedTuple):
    """What is the same for all listeners."""

    service: NodeService
    settings: ProxySettings
    dialling: Dialling
    entry: IngressGateway


def ingress_entry(gateway: str, answers: Answers) -> IngressGateway | None:
    """The config entry of a gateway, if it is known."""
    for entry in answers.ask(Entry(INGRESS_GATEWAY, gateway)) or ():
        if isinstance(entry, IngressGateway):
            return entry
    return None


def dns_names(entry: IngressGateway, place: Place) -> tuple[str, ...]:
    """The names that the gateway's certificate is good for; none without TLS."""
    listeners = entry.listeners or ()
    if not any(_tls(entry, listener).enabled for listener in listeners):
        return ()
    hosts = (
        host
        for listener in listeners
        for service in listener.services or ()
        for host in service.hosts or ()
        if host != WILDCARD
    )
    domains = (
        f"*.ingress.{within}{domain}"
        for domain in place.domains
        for within in ("", f"{place.datacenter}.")
    )
    return tuple(dict.fromkeys((*domains, *hosts)))


def ingress(
    gateway: NodeService, settings: ProxySettings, dialling: Dialling, entry: IngressGateway
) -> Ingress:
    """A gateway with the services whose chains are known."""
    listeners: list[Listener] = []
    clusters: dict[str, Cluster] = {}
    of = _Gateway(gateway, settings, dialling, entry)
    for row in entry.listeners or ():
        listener = _listener(row, of, clusters)
        if listener is not None:
            listeners.append(listener)
    return Ingress(tuple(listeners), clusters)


def _listener(row: IngressListener, of: _Gateway, clusters: dict[str, Cluster]) -> Listener | None:
    """A listener; None while nothing is behind it."""
    answers, protocol = of.dialling.answers, protocol_of(row.protocol)
    name = f"{row.protocol}:{row.port}"
    routes: list[Route] = []
    destinations: list[str] = []
    for service in _services(row, of):
        found = _routes(service, row, of, clusters, f"{name}:{service.name}")
        routes += found
        destinations += [service.name] if found else []
    if not routes:
        return None
    chain = FilterChain(
        tls=_server_tls(row, of, protocol),
        protocol=protocol,
        source=of.service.service,
        destination=destinations[0] if protocol == "tcp" else "",
        routes=tuple(routes),
        http=replace(http_options(answers), forwarded_client_cert=False, sanitize_client_cert=True),
    )
    return Listener(
        name=name,
        direction="gateway",
        address=bind_address(of.service, of.settings),
        port=row.port,
        chains=(chain,),
        handshake_timeout_s=of.settings.handshake_timeout_s,
    )


def _services(row: IngressListener, of: _Gateway) -> Iterable[IngressService]:
    """The services of a listener; the wildcard is all of those that it is linked to."""
    for service in row.services or ():
        if service.name != WILDCARD:
            yield service
            continue
        for link in of.dialling.answers.ask(Linked(of.service.service)) or ():
            if link.port == row.port and link.from_wildcard:
                yield replace(service, name=link.service)


def _routes(
    service: IngressService,
    row: IngressListener,
    of: _Gateway,
    clusters: dict[str, Cluster],
    place_name: str,
) -> tuple[Route, ...]:
    """The routes of one service's chain, for its hosts."""
    dialling = of.dialling
    chain = dialling.answers.ask(Chain(service.name, dialling.place.datacenter))
    if chain is None or chain.protocol != row.protocol:
        return ()  # of the services that a wildcard stands for, those of other protocols
    limits = _settings(service, of.entry.defaults or IngressDefaults())
    routed = routes_of(chain, dialling._replace(settings=limits))
    routes = adopt(routed.routes, routed.clusters, clusters, place_name)
    if row.protocol == "tcp":
        return routes
    hosts = service.hosts or (f"{service.name}.ingress.*",)
    return tuple(
        replace(
            route,
            match=replace(route.match, hosts=hosts),
            request_headers=joined(header_edits(service.request_headers), route.request_headers),
            response_headers=joined(header_edits(service.response_headers), route.response_headers),
        )
        for route in routes
    )


def _settings(service: IngressService, usual: IngressDefaults) -> UpstreamSettings:
    """The limits of a service, else those of the gateway."""

    def chosen(own: int | None, shared: int | None) -> int | None:
        return shared if own is None else own

    health = service.passive_health_check or usual.passive_health_check
    return UpstreamSettings(
        connections_max=chosen(service.max_connections, usual.max_connections),
        pending_max=chosen(service.max_pending_requests, usual.max_pending_requests),
        requests_max=chosen(service.max_concurrent_requests, usual.max_concurrent_requests),
        outlier=outlier_of(health) if health else Outlier(),
    )


def _tls(entry: IngressGateway, listener: IngressListener) -> GatewayTLS:
    return listener.tls or entry.tls


def _server_tls(row: IngressListener, of: _Gateway, protocol: Protocol) -> ServerTls | None:
    tls = _tls(of.entry, row)
    if not tls.enabled:
        return None
    versions = TLSParameters(
        tls_min_version=tls.tls_min_version or of.entry.tls.tls_min_version,
        tls_max_version=tls.tls_max_version or of.entry.tls.tls_max_version,
        cipher_suites=tls.cipher_suites or of.entry.tls.cipher_suites,
    )
    return ServerTls(
        identity=of.service.service,
        mutual=False,
        alpn=() if protocol == "tcp" else ("h2", "http/1.1"),
        versions=tls_versions(versions),
    )


def dialling_of(gateway: str, place: Place, trust_domain: str, answers: Answers) -> Dialling:
    """How a gateway dials the services behind it."""
    return Dialling(
        place=place,
        answers=answers,
        identity=gateway,
        trust_domain=trust_domain,
        versions=client_versions(answers),
    )
