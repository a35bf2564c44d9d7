"""What a local application dials: a listener for each upstream of its sidecar.

An upstream is a service, then its discovery chain says where requests go, or a prepared query. One
whose chain is not known yet has no listener, and holds up nobody else.

Precedence, weakest first: defaults of the own service-defaults entry, its override for the
upstream, the registration; what none of them says is the chain's.
Source: Consul, service-defaults UpstreamConfig.
"""

from typing import Any, Final, NamedTuple

import msgspec

from agent.mesh.settings import Place, UpstreamSettings, protocol_of, upstream_settings
from agent.mesh.snapshot_clusters import Dialling, finished, mesh_tls, usable
from agent.mesh.snapshot_endpoints import endpoints
from agent.mesh.snapshot_routes import adopt, routes_of
from agent.mesh.watch_questions import Answers, Chain, Entry, Query
from catalog.chain import Overrides
from catalog.rows.config_entry import SERVICE_DEFAULTS, ServiceDefaults
from catalog.rows.config_entry.upstream_defaults import UpstreamConfig, UpstreamDefaults
from catalog.rows.service import NodeService, Upstream
from proxy.api import (
    CONNECT_TIMEOUT_S,
    Cluster,
    EndpointGroup,
    FilterChain,
    Listener,
    Protocol,
    Route,
    TlsVersions,
    WeightedCluster,
)

BIND_DEFAULT: Final = "127.0.0.1"
SOCKET_MODE_DEFAULT: Final = 0o600
PREPARED_QUERY: Final = "prepared_query"


class Outbound(NamedTuple):
    """The listeners of upstreams, and the clusters behind them."""

    listeners: tuple[Listener, ...]
    clusters: dict[str, Cluster]


class Dialler(NamedTuple):
    """Who dials: the service behind a sidecar, in which mesh, and how TLS is spoken."""

    service: str
    place: Place
    trust_domain: str
    versions: TlsVersions = TlsVersions()


def outbound(
    merged: NodeService, registered: NodeService, dialler: Dialler, answers: Answers
) -> Outbound:
    """The upstreams of a sidecar. ``merged`` has central configuration filled in."""
    upstreams = UpstreamConfig()
    for entry in answers.ask(Entry(SERVICE_DEFAULTS, dialler.service)) or ():
        assert isinstance(entry, ServiceDefaults)
        upstreams = entry.upstream_config or upstreams
    given = {listener_name(each): each for each in registered.proxy.upstreams or ()}
    listeners: list[Listener] = []
    clusters: dict[str, Cluster] = {}
    for upstream in merged.proxy.upstreams or ():
        own = given.get(listener_name(upstream), upstream)
        if upstream.destination_peer:
            continue  # the service of that name here is another one
        asked = _asked(own, upstream, registered, upstreams)
        built = (
            _query(upstream, asked, dialler, answers)
            if upstream.destination_type == PREPARED_QUERY
            else _service(upstream, asked, dialler, answers)
        )
        if built is not None:
            routes = adopt(built.routes, built.clusters, clusters, listener_name(upstream))
            listeners.append(_listener(upstream, built.protocol, routes, dialler.service))
    return Outbound(tuple(listeners), clusters)


class _Asked(NamedTuple):
    """What is asked for one upstream."""

    settings: UpstreamSettings
    gateway_mode: str


class _Built(NamedTuple):
    protocol: Protocol
    routes: tuple[Route, ...]
    clusters: tuple[Cluster, ...]


def upstream_name(upstream: Upstream) -> str:
    """An upstream as Consul names it: ``db``, ``db?dc=dc2``, ``prepared_query:near-db``."""
    name = upstream.destination_name
    if upstream.destination_type == PREPARED_QUERY:
        name = f"{PREPARED_QUERY}:{name}"
    return f"{name}?dc={upstream.datacenter}" if upstream.datacenter else name


def listener_name(upstream: Upstream) -> str:
    """The name of an upstream's listener: what it is and where it listens."""
    path = upstream.local_bind_socket_path
    place = path or f"{upstream.local_bind_address or BIND_DEFAULT}:{upstream.local_bind_port}"
    return f"{upstream_name(upstream)}:{place}"


def _asked(
    own: Upstream, merged: Upstream, registered: NodeService, config: UpstreamConfig
) -> _Asked:
    """Everything that is said of an upstream, by precedence."""
    usual = config.defaults or UpstreamDefaults()
    special = UpstreamDefaults()
    for override in config.overrides or ():
        if override.name.lower() == own.destination_name.lower():
            special = override
    layers = (_as_map(usual), _as_map(special), own.config)
    mode = (
        own.mesh_gateway.mode
        or (special.mesh_gateway.mode if special.mesh_gateway else "")
        or registered.proxy.mesh_gateway.mode
        or (usual.mesh_gateway.mode if usual.mesh_gateway else "")
        or merged.mesh_gateway.mode
    )
    return _Asked(upstream_settings(*layers), mode)


def _as_map(row: UpstreamDefaults) -> dict[str, Any]:
    """An entry's settings in the form of a registration's."""
    plain: dict[str, Any] = msgspec.to_builtins(row)
    return plain


def _service(
    upstream: Upstream, asked: _Asked, dialler: Dialler, answers: Answers
) -> _Built | None:
    place = dialler.place
    overrides = Overrides(
        protocol=asked.settings.protocol,
        connect_timeout=asked.settings.connect_timeout_ns,
        mesh_gateway_mode=asked.gateway_mode,
    )
    datacenter = upstream.datacenter or place.datacenter
    chain = answers.ask(Chain(upstream.destination_name, datacenter, overrides))
    if chain is None:
        return None
    routed = routes_of(chain, _dialling(asked, dialler, answers))
    return _Built(protocol_of(chain.protocol), routed.routes, routed.clusters)


def _query(upstream: Upstream, asked: _Asked, dialler: Dialler, answers: Answers) -> _Built | None:
    """A prepared query: whatever it found, dialled as the service that it found."""
    name = upstream.destination_name
    found = answers.ask(Query(name, upstream.datacenter))
    if found is None:
        return None
    place, protocol = dialler.place, protocol_of(asked.settings.protocol)
    datacenter = upstream.datacenter or place.datacenter
    server_name = f"{name}.default.{datacenter}.query.{dialler.trust_domain}"
    dialling = _dialling(asked, dialler, answers)
    group = EndpointGroup(
        target=upstream_name(upstream),
        tls=mesh_tls(protocol, dialling, server_name, [(found.service, found.datacenter)]),
        endpoints=endpoints(usable(found.nodes), place, answers),
    )
    cluster = Cluster(
        name=upstream_name(upstream),
        service=found.service,
        datacenter=found.datacenter,
        protocol=protocol,
        groups=(group,),
        connect_timeout_s=asked.settings.connect_timeout_ns / 1e9 or CONNECT_TIMEOUT_S,
    )
    share = WeightedCluster(cluster=cluster.name, node=upstream_name(upstream))
    route = Route(name=upstream_name(upstream), clusters=(share,))
    return _Built(protocol, (route,), (finished(cluster, asked.settings),))


def _dialling(asked: _Asked, dialler: Dialler, answers: Answers) -> Dialling:
    return Dialling(
        place=dialler.place,
        answers=answers,
        identity=dialler.service,
        trust_domain=dialler.trust_domain,
        settings=asked.settings,
        gateway_mode=asked.gateway_mode,
        versions=dialler.versions,
    )


def _listener(
    upstream: Upstream, protocol: Protocol, routes: tuple[Route, ...], service: str
) -> Listener:
    path = upstream.local_bind_socket_path
    return Listener(
        name=listener_name(upstream),
        direction="outbound",
        address="" if path else upstream.local_bind_address or BIND_DEFAULT,
        port=0 if path else upstream.local_bind_port,
        path=path,
        mode=socket_mode(upstream.local_bind_socket_mode),
        chains=(
            FilterChain(
                protocol=protocol,
                source=service,
                destination=upstream.destination_name,
                routes=routes,
            ),
        ),
    )


def socket_mode(text: str) -> int:
    """The mode of a socket's file from octal text; one that cannot be read is the default."""
    try:
        mode = int(text, 8)
    except ValueError:
        return SOCKET_MODE_DEFAULT
    return mode if 0 < mode <= 0o777 else SOCKET_MODE_DEFAULT
