"""The way to a local application: the public listener of a sidecar, and the paths it exposes.

The listener wants a certificate of the mesh, asks the intentions of the service, and passes on what
they allow. An inbound request has no time limit of its own unless ``local_request_timeout_ms`` says
one: who calls has named one already. Source: Consul, connect-proxy; expose paths.
"""

from typing import Final, NamedTuple

from agent.mesh.settings import Place, ProxySettings
from agent.mesh.snapshot_options import http_options, server_versions
from agent.mesh.snapshot_policy import policy_of
from agent.mesh.snapshot_routes import rate_limit
from agent.mesh.watch_questions import Answers, Entry
from catalog.rows.config_entry import SERVICE_DEFAULTS, ServiceDefaults
from catalog.rows.config_entry.rate_limits import InstanceRateLimits
from catalog.rows.connect import CARoots
from catalog.rows.service import ExposePath, NodeService
from proxy.api import (
    IDLE_TIMEOUT_S,
    Cluster,
    Endpoint,
    EndpointGroup,
    FilterChain,
    Listener,
    Protocol,
    Route,
    RouteMatch,
    ServerTls,
    WeightedCluster,
)

PUBLIC: Final = "public_listener"
LOCAL_APP: Final = "local_app"
EXPOSED: Final = "exposed_path"
ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a sidecar without an address serves on all of them
LOOPBACK: Final = "127.0.0.1"
LOCAL_TIMEOUT: Final = "local_request_timeout_ms"
NO_TIMEOUT: Final = "none: the caller's holds"


class Inbound(NamedTuple):
    """Listeners, and the clusters of the local application."""

    listeners: tuple[Listener, ...]
    clusters: dict[str, Cluster]


def inbound(
    proxy: NodeService, settings: ProxySettings, place: Place, roots: CARoots, answers: Answers
) -> Inbound:
    """The public listener, when its policy is known, and the exposed paths."""
    service = proxy.proxy.destination_service_name
    app = _local_cluster(
        LOCAL_APP,
        service,
        settings.protocol,
        _local_endpoint(proxy),
        settings.local_connect_timeout_s,
    )
    listeners: list[Listener] = []
    clusters = {app.name: app}
    policy = policy_of(service, place, roots, answers)
    if policy is not None:
        chain = FilterChain(
            tls=ServerTls(
                identity=service,
                mutual=True,
                alpn=public_alpn(settings.protocol),
                versions=server_versions(answers),
            ),
            protocol=settings.protocol,
            destination=service,
            policy=policy,
            routes=_local_routes(settings, service, answers),
            http=http_options(answers),
            connections_max=settings.connections_max,
        )
        listeners.append(
            Listener(
                name=PUBLIC,
                direction="inbound",
                address=bind_address(proxy, settings),
                port=settings.bind_port or proxy.port,
                chains=(chain,),
                handshake_timeout_s=settings.handshake_timeout_s,
            )
        )
    for path in proxy.proxy.expose.paths or ():
        listener, cluster = _exposed(path, proxy, settings)
        listeners.append(listener)
        clusters[cluster.name] = cluster
    return Inbound(tuple(listeners), clusters)


def bind_address(proxy: NodeService, settings: ProxySettings) -> str:
    """Where a proxy or a gateway listens."""
    return settings.bind_address or proxy.address or ANY_ADDRESS


def public_alpn(protocol: Protocol) -> tuple[str, ...]:
    """What peers may speak: either version for http, since proxies of other makes prefer h2."""
    match protocol:
        case "tcp":
            return ()
        case "http":
            return ("http/1.1", "h2")
        case "http2" | "grpc":
            return ("h2",)


def _local_endpoint(proxy: NodeService) -> Endpoint:
    app = proxy.proxy
    if app.local_service_socket_path:
        return Endpoint(id=LOCAL_APP, path=app.local_service_socket_path)
    return Endpoint(
        id=LOCAL_APP,
        address=app.local_service_address or LOOPBACK,
        port=app.local_service_port,
    )


def _local_cluster(
    name: str, service: str, protocol: Protocol, endpoint: Endpoint, connect_timeout_s: float
) -> Cluster:
    return Cluster(
        name=name,
        service=service,
        protocol=protocol,
        groups=(EndpointGroup(target=name, endpoints=(endpoint,)),),
        connect_timeout_s=connect_timeout_s,
        outlier=None,  # there is no other one to go to
    )


def _local_routes(settings: ProxySettings, service: str, answers: Answers) -> tuple[Route, ...]:
    """The route to the application; limits of paths come before the one of the instance."""
    limits = _limits(service, answers)
    timeout_s = settings.local_request_timeout_s
    plain = Route(
        name=LOCAL_APP,
        clusters=(WeightedCluster(cluster=LOCAL_APP, node=LOCAL_APP),),
        timeout_s=timeout_s,
        timeout_from=LOCAL_TIMEOUT if timeout_s else NO_TIMEOUT,
        idle_timeout_s=settings.local_idle_timeout_s or IDLE_TIMEOUT_S,
        rate_limit=rate_limit(limits.requests_per_second, limits.requests_max_burst)
        if limits.requests_per_second
        else None,
    )
    limited = (
        Route(
            name=f"{LOCAL_APP}[{number}]",
            match=RouteMatch(
                path_exact=each.path_exact,
                path_prefix=each.path_prefix,
                path_regex=each.path_regex,
            ),
            clusters=plain.clusters,
            timeout_s=plain.timeout_s,
            timeout_from=plain.timeout_from,
            idle_timeout_s=plain.idle_timeout_s,
            rate_limit=rate_limit(each.requests_per_second, each.requests_max_burst),
        )
        for number, each in enumerate(limits.routes or ())
        if each.requests_per_second
    )
    return (*limited, plain)


def _limits(service: str, answers: Answers) -> InstanceRateLimits:
    for entry in answers.ask(Entry(SERVICE_DEFAULTS, service)) or ():
        assert isinstance(entry, ServiceDefaults)
        if entry.rate_limits is not None:
            return entry.rate_limits.instance_level
    return InstanceRateLimits()


def _exposed(
    path: ExposePath, proxy: NodeService, settings: ProxySettings
) -> tuple[Listener, Cluster]:
    """A path that is served without TLS, to anybody."""
    protocol: Protocol = "http2" if path.protocol == "http2" else "http"
    service = proxy.proxy.destination_service_name
    name = f"{EXPOSED}:{path.listener_port}:{path.path}"
    cluster = _local_cluster(
        f"{EXPOSED}:{path.local_path_port}:{protocol}",
        service,
        protocol,
        Endpoint(
            id=LOCAL_APP,
            address=proxy.proxy.local_service_address or LOOPBACK,
            port=path.local_path_port,
        ),
        settings.local_connect_timeout_s,
    )
    route = Route(
        name=name,
        match=RouteMatch(path_exact=path.path),
        clusters=(WeightedCluster(cluster=cluster.name, node=name),),
    )
    listener = Listener(
        name=name,
        direction="exposed",
        address=bind_address(proxy, settings),
        port=path.listener_port,
        chains=(FilterChain(protocol=protocol, destination=service, routes=(route,)),),
    )
    return listener, cluster
