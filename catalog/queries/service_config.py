"""The central configuration of a proxy: what the config entries say, and how it fills a
registration.

A proxy starts from ``proxy-defaults``, which the ``service-defaults`` of its destination refine. An
upstream starts from its own protocol, which the ``UpstreamConfig`` of the service that dials it
refines: defaults, then overrides. What a registration says itself always stays. How traffic leaves
the datacenter is told, weakest first, by proxy-defaults, service-defaults, upstream defaults, the
registered proxy, overrides, the registered upstream.
Source: Consul, configuration entries; the agent's central service configuration.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from catalog.chain.entries import ChainEntries
from catalog.read import Read
from catalog.rows.config_entry import (
    GLOBAL,
    MESH,
    PROXY_DEFAULTS,
    SERVICE_DEFAULTS,
    ConfigEntry,
    ProxyDefaults,
    ServiceDefaults,
)
from catalog.rows.config_entry.upstream_defaults import UpstreamConfig, UpstreamDefaults
from catalog.rows.service import (
    KIND_API_GATEWAY,
    KIND_CONNECT_PROXY,
    KIND_INGRESS_GATEWAY,
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    AccessLogs,
    EnvoyExtension,
    Expose,
    MeshGateway,
    NodeService,
    TransparentProxy,
    Upstream,
)
from catalog.schema import Row
from catalog.tables import CONFIG_ENTRIES

CONFIG_INDEX = "config-entries"
PROTOCOL = "protocol"
WILDCARD = "*"
_GATEWAYS = (
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    KIND_INGRESS_GATEWAY,
    KIND_API_GATEWAY,
)


class ServiceConfig(Row, frozen=True, kw_only=True):
    """What central configuration says of one service.

    ``upstream_configs`` is by upstream name, ``*`` for upstreams that no registration names;
    ``upstream_gateways`` are the gateway modes of overrides, and of the defaults under ``*``.
    """

    proxy_config: dict[str, Any] = msgspec.field(default_factory=dict)
    upstream_configs: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    upstream_gateways: dict[str, str] = msgspec.field(default_factory=dict)
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()
    mode: str = ""
    transparent_proxy: TransparentProxy | None = None
    mutual_tls_mode: str = ""
    access_logs: AccessLogs | None = None
    envoy_extensions: tuple[EnvoyExtension, ...] | None = None


class Subject(msgspec.Struct, frozen=True):
    """Whose configuration a registration asks for: a service's and its upstreams', by name."""

    name: str
    upstreams: tuple[str, ...] = ()


def subject_of(service: NodeService) -> Subject | None:
    """Whose configuration governs a registration; None if nobody's.

    Gateways have their own, sidecars that of the instance that they serve. A proxy that names no
    instance is left alone, as Consul 1.9 does.
    """
    proxy = service.proxy
    if service.kind in _GATEWAYS:
        return Subject(service.service)
    if service.kind != KIND_CONNECT_PROXY or not proxy.destination_service_id:
        return None
    names = dict.fromkeys(
        upstream.destination_name for upstream in proxy.upstreams or () if _is_service(upstream)
    )
    return Subject(proxy.destination_service_name, tuple(names))


def resolve(read: Read, subject: Subject) -> ServiceConfig:
    """The central configuration of a service and of its upstreams."""
    read.depend(CONFIG_INDEX)
    names = (subject.name, *subject.upstreams)
    entries = ChainEntries.of(_entries(read, names))
    proxy = entries.proxy or ProxyDefaults()
    own = entries.services.get(subject.name.lower()) or ServiceDefaults()
    upstreams = own.upstream_config or UpstreamConfig()
    extensions = (*(proxy.envoy_extensions or ()), *(own.envoy_extensions or ()))
    return ServiceConfig(
        proxy_config={**(proxy.config or {}), **_proxy_config(own)},
        upstream_configs=_upstream_configs(entries, upstreams, subject.upstreams),
        upstream_gateways=_upstream_gateways(upstreams),
        mesh_gateway=own.mesh_gateway if own.mesh_gateway.mode else proxy.mesh_gateway,
        expose=Expose(
            checks=own.expose.checks or proxy.expose.checks,
            paths=own.expose.paths or proxy.expose.paths,
        ),
        mode=own.mode or proxy.mode,
        transparent_proxy=_transparent(own.transparent_proxy, proxy.transparent_proxy),
        mutual_tls_mode=own.mutual_tls_mode or proxy.mutual_tls_mode,
        access_logs=proxy.access_logs,
        envoy_extensions=extensions or None,
    )


def _proxy_config(own: ServiceDefaults) -> dict[str, Any]:
    """The fields of service-defaults that a proxy knows as options."""
    told = {
        PROTOCOL: own.protocol,
        "max_inbound_connections": own.max_inbound_connections,
        "local_connect_timeout_ms": own.local_connect_timeout_ms,
        "local_request_timeout_ms": own.local_request_timeout_ms,
        "balance_inbound_connections": own.balance_inbound_connections,
    }
    return {key: value for key, value in told.items() if value}


def _upstream_configs(
    entries: ChainEntries, config: UpstreamConfig, names: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Options by upstream: its own protocol, then the defaults, then the override of its name."""
    defaults = _options(config.defaults)
    found: dict[str, dict[str, Any]] = {}
    # Upstreams that nobody names each have their own protocol: defaults must not give them one.
    if shared := {key: value for key, value in defaults.items() if key != PROTOCOL}:
        found[WILDCARD] = shared
    overrides = {
        each.name.lower(): _options(each) for each in config.overrides or () if not each.peer
    }
    for name in names:
        protocol = entries.told_protocol(name)
        options = {PROTOCOL: protocol} if protocol else {}
        options |= defaults | overrides.get(name.lower(), {})
        if options:
            found[name] = options
    return found


def _options(upstream: UpstreamDefaults | None) -> dict[str, Any]:
    """What defaults or an override say, as a registration's ``config`` would."""
    if upstream is None:
        return {}
    told = {
        "envoy_listener_json": upstream.envoy_listener_json,
        "envoy_cluster_json": upstream.envoy_cluster_json,
        PROTOCOL: upstream.protocol.lower(),
        "connect_timeout_ms": upstream.connect_timeout_ms,
        "limits": _told(upstream.limits),
        "passive_health_check": _told(upstream.passive_health_check),
        "balance_outbound_connections": upstream.balance_outbound_connections,
        "retry_budget": _told(upstream.retry_budget),
    }
    return {key: value for key, value in told.items() if value}


def _told(row: Row | None) -> dict[str, Any]:
    """The fields that are set; zero is, where None is the default."""
    if row is None:
        return {}
    values = {field.name: getattr(row, field.name) for field in msgspec.structs.fields(row)}
    defaults = type(row)()
    return {name: value for name, value in values.items() if value != getattr(defaults, name)}


def _upstream_gateways(config: UpstreamConfig) -> dict[str, str]:
    told = {each.name: each.mesh_gateway for each in config.overrides or () if not each.peer}
    if config.defaults is not None:
        told[WILDCARD] = config.defaults.mesh_gateway
    return {name: gateway.mode for name, gateway in told.items() if gateway and gateway.mode}


def _transparent(
    own: TransparentProxy | None, shared: TransparentProxy | None
) -> TransparentProxy | None:
    if own is None or shared is None:
        return own or shared
    return TransparentProxy(
        outbound_listener_port=own.outbound_listener_port or shared.outbound_listener_port,
        dialed_directly=own.dialed_directly or shared.dialed_directly,
    )


def _entries(read: Read, names: Iterable[str]) -> Iterable[ConfigEntry]:
    keys = [
        (PROXY_DEFAULTS, GLOBAL),
        (MESH, MESH),
        *((SERVICE_DEFAULTS, name.lower()) for name in names),
    ]
    found = (read.store.get(CONFIG_ENTRIES, key) for key in keys)
    return [entry for entry in found if entry is not None]


def merge(service: NodeService, config: ServiceConfig) -> NodeService:
    """A registration with its gaps filled from central configuration."""
    proxy = service.proxy
    extensions = (*(config.envoy_extensions or ()), *(proxy.envoy_extensions or ()))
    merged = msgspec.structs.replace(
        proxy,
        config=_filled(proxy.config, config.proxy_config),
        upstreams=proxy.upstreams
        and tuple(_merge_upstream(each, proxy.mesh_gateway, config) for each in proxy.upstreams),
        mesh_gateway=proxy.mesh_gateway if proxy.mesh_gateway.mode else config.mesh_gateway,
        expose=Expose(
            checks=proxy.expose.checks or config.expose.checks,
            paths=proxy.expose.paths or config.expose.paths,
        ),
        mode=proxy.mode or config.mode,
        transparent_proxy=_transparent(proxy.transparent_proxy, config.transparent_proxy),
        mutual_tls_mode=proxy.mutual_tls_mode or config.mutual_tls_mode,
        access_logs=proxy.access_logs or config.access_logs,
        envoy_extensions=extensions or None,
    )
    return msgspec.structs.replace(service, proxy=merged)


def _merge_upstream(upstream: Upstream, of_proxy: MeshGateway, config: ServiceConfig) -> Upstream:
    """An upstream with its gaps filled; ``of_proxy`` is what the registration says for all."""
    if not _is_service(upstream):
        return upstream
    name = upstream.destination_name
    options = config.upstream_configs.get(name) or config.upstream_configs.get(WILDCARD, {})
    gateways = {each.lower(): mode for each, mode in config.upstream_gateways.items()}
    mode = (
        upstream.mesh_gateway.mode
        or gateways.get(name.lower(), "")
        or of_proxy.mode
        or gateways.get(WILDCARD, "")
        or config.mesh_gateway.mode
    )
    return msgspec.structs.replace(
        upstream,
        mesh_gateway=MeshGateway(mode=mode),
        config=_filled(upstream.config, options),
    )


def _is_service(upstream: Upstream) -> bool:
    """Whether it is a service of this cluster, which entries of this cluster say something of."""
    return upstream.destination_type in {"", "service"} and not upstream.destination_peer


def _filled(own: dict[str, Any] | None, defaults: dict[str, Any]) -> dict[str, Any] | None:
    """A proxy's options with those that it lacks, at every depth; None and {} stay apart."""
    if not defaults:
        return own
    filled = dict(own or {})
    for key, value in defaults.items():
        before = filled.get(key)
        if key not in filled:
            filled[key] = value
        elif isinstance(before, dict) and isinstance(value, dict):
            filled[key] = _filled(before, value)
    return filled
