"""The central configuration of a proxy: what the config entries say, and how it fills a
registration.

A proxy starts from ``proxy-defaults``, which the ``service-defaults`` of its destination refine; an
upstream's protocol comes from the upstream's own. What a registration says itself always stays.
Source: Consul, configuration entries; the agent's central service configuration.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from catalog.chain.entries import ChainEntries
from catalog.read import Read
from catalog.rows.config_entry import GLOBAL, PROXY_DEFAULTS, SERVICE_DEFAULTS, ConfigEntry
from catalog.rows.service import (
    KIND_CONNECT_PROXY,
    KIND_INGRESS_GATEWAY,
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    Expose,
    MeshGateway,
    NodeService,
    Upstream,
)
from catalog.schema import Row
from catalog.tables import CONFIG_ENTRIES

CONFIG_INDEX = "config-entries"
PROTOCOL = "protocol"
_GATEWAYS = (KIND_MESH_GATEWAY, KIND_TERMINATING_GATEWAY, KIND_INGRESS_GATEWAY)


class ServiceConfig(Row, frozen=True, kw_only=True):
    """What central configuration says of one service; ``upstream_configs`` is by upstream name."""

    proxy_config: dict[str, Any] = msgspec.field(default_factory=dict)
    upstream_configs: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()


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
    proxy, own = entries.proxy, entries.services.get(subject.name.lower())
    config = dict((proxy.config if proxy else None) or {})
    mesh_gateway = proxy.mesh_gateway if proxy else MeshGateway()
    expose = proxy.expose if proxy else Expose()
    if own is not None:
        if own.protocol:
            config[PROTOCOL] = own.protocol
        if own.mesh_gateway.mode:
            mesh_gateway = own.mesh_gateway
        expose = Expose(
            checks=own.expose.checks or expose.checks, paths=own.expose.paths or expose.paths
        )
    upstreams = {name: _protocol(entries, name) for name in subject.upstreams}
    return ServiceConfig(
        proxy_config=config,
        upstream_configs={name: {PROTOCOL: told} for name, told in upstreams.items() if told},
        mesh_gateway=mesh_gateway,
        expose=expose,
    )


def _entries(read: Read, names: Iterable[str]) -> Iterable[ConfigEntry]:
    keys = [(PROXY_DEFAULTS, GLOBAL), *((SERVICE_DEFAULTS, name.lower()) for name in names)]
    found = (read.store.get(CONFIG_ENTRIES, key) for key in keys)
    return [entry for entry in found if entry is not None]


def _protocol(entries: ChainEntries, service: str) -> str:
    """What is said of a service's protocol; unlike a chain, an upstream has no default."""
    own = entries.services.get(service.lower())
    shared = entries.proxy.protocol if entries.proxy else ""
    return (own.protocol if own else "") or shared


def merge(service: NodeService, config: ServiceConfig) -> NodeService:
    """A registration with its gaps filled from central configuration."""
    proxy = service.proxy
    mesh_gateway = proxy.mesh_gateway if proxy.mesh_gateway.mode else config.mesh_gateway
    merged = msgspec.structs.replace(
        proxy,
        config=_filled(proxy.config, config.proxy_config),
        upstreams=proxy.upstreams
        and tuple(_merge_upstream(each, mesh_gateway, config) for each in proxy.upstreams),
        mesh_gateway=mesh_gateway,
        expose=Expose(
            checks=proxy.expose.checks or config.expose.checks,
            paths=proxy.expose.paths or config.expose.paths,
        ),
    )
    return msgspec.structs.replace(service, proxy=merged)


def _merge_upstream(
    upstream: Upstream, mesh_gateway: MeshGateway, config: ServiceConfig
) -> Upstream:
    if not _is_service(upstream):
        return upstream
    defaults = config.upstream_configs.get(upstream.destination_name, {})
    return msgspec.structs.replace(
        upstream,
        mesh_gateway=upstream.mesh_gateway if upstream.mesh_gateway.mode else mesh_gateway,
        config=_filled(upstream.config, defaults),
    )


def _is_service(upstream: Upstream) -> bool:
    return upstream.destination_type in {"", "service"}


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
