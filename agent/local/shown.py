"""How the agent's own endpoints show registrations, which differs from the catalog's shape.

Source: Consul API, /v1/agent/services, /v1/agent/health/service.
"""

from typing import Any

import msgspec

from agent.local.validation import GATEWAYS
from catalog.rows.check import HealthCheck
from catalog.rows.service import (
    KIND_CONNECT_PROXY,
    AccessLogs,
    ConnectProxy,
    EnvoyExtension,
    Expose,
    MeshGateway,
    NodeService,
    ServiceAddress,
    TransparentProxy,
    Upstream,
    Weights,
)
from catalog.schema import Omit, Row, Unfiltered
from catalog.shape import to_json


class AgentUpstream(Row, frozen=True, kw_only=True):
    """An upstream; unlike the catalog's it hides what is empty."""

    destination_type: Omit[str] = ""
    destination_namespace: Omit[str] = ""
    destination_partition: Omit[str] = ""
    destination_peer: Omit[str] = ""
    destination_name: str = ""
    datacenter: Omit[str] = ""
    local_bind_address: Omit[str] = ""
    local_bind_port: Omit[int] = 0
    local_bind_socket_path: Omit[str] = ""
    local_bind_socket_mode: Omit[str] = ""
    config: Unfiltered[Omit[dict[str, Any] | None]] = None
    mesh_gateway: MeshGateway = MeshGateway()


class AgentExposePath(Row, frozen=True, kw_only=True):
    """An exposed path; it always tells whether a check brought it."""

    listener_port: Omit[int] = 0
    path: Omit[str] = ""
    local_path_port: Omit[int] = 0
    protocol: Omit[str] = ""
    parsed_from_check: bool = False


class AgentExpose(Row, frozen=True, kw_only=True):
    """What a proxy serves without TLS."""

    checks: Omit[bool] = False
    paths: Omit[tuple[AgentExposePath, ...] | None] = None


class AgentProxy(Row, frozen=True, kw_only=True):
    """The proxy part of a registration."""

    destination_service_name: Omit[str] = ""
    destination_service_id: Omit[str] = ""
    local_service_address: Omit[str] = ""
    local_service_port: Omit[int] = 0
    local_service_socket_path: Omit[str] = ""
    mode: Omit[str] = ""
    config: Unfiltered[Omit[dict[str, Any] | None]] = None
    upstreams: Omit[tuple[AgentUpstream, ...] | None] = None
    mesh_gateway: MeshGateway = MeshGateway()
    expose: AgentExpose = AgentExpose()
    transparent_proxy: Omit[TransparentProxy | None] = None
    mutual_tls_mode: Omit[str] = ""
    access_logs: Omit[AccessLogs | None] = None
    envoy_extensions: Omit[tuple[EnvoyExtension, ...] | None] = None


class AgentConnect(Row, frozen=True, kw_only=True):
    """Whether the service speaks mutual TLS by itself."""

    native: Omit[bool] = False


class AgentService(Row, frozen=True, kw_only=True):
    """A service of this agent, as filters see it. Tags and metadata are never null."""

    kind: Omit[str] = ""
    id: str = ""
    service: str = ""
    tags: tuple[str, ...] = ()
    meta: dict[str, str] = msgspec.field(default_factory=dict)
    port: int = 0
    address: str = ""
    tagged_addresses: Omit[dict[str, ServiceAddress] | None] = None
    weights: Weights = Weights()
    enable_tag_override: bool = False
    create_index: Unfiltered[Omit[int]] = 0
    modify_index: Unfiltered[Omit[int]] = 0
    content_hash: Unfiltered[Omit[str]] = ""
    proxy: AgentProxy = AgentProxy()
    connect: AgentConnect = AgentConnect()
    datacenter: Omit[str] = ""


def agent_service(service: NodeService, datacenter: str) -> AgentService:
    """A service as filters see it."""
    return AgentService(
        kind=service.kind,
        id=service.id,
        service=service.service,
        tags=service.tags or (),
        meta=service.meta or {},
        port=service.port,
        address=service.address,
        tagged_addresses=service.tagged_addresses,
        weights=Weights(passing=max(1, service.weights.passing), warning=service.weights.warning),
        enable_tag_override=service.enable_tag_override,
        proxy=_proxy(service.proxy),
        connect=AgentConnect(native=service.connect.native),
        datacenter=datacenter,
    )


def agent_service_json(row: AgentService, *, content_hash: str = "") -> dict[str, Any]:
    """A service as the agent shows it: the mesh parts only where they mean something."""
    shown: dict[str, Any] = to_json(msgspec.structs.replace(row, content_hash=content_hash))
    if row.kind != KIND_CONNECT_PROXY and row.kind not in GATEWAYS:
        del shown["Proxy"]
    if not row.connect.native:
        del shown["Connect"]
    return shown


def _proxy(proxy: ConnectProxy) -> AgentProxy:
    return AgentProxy(
        destination_service_name=proxy.destination_service_name,
        destination_service_id=proxy.destination_service_id,
        local_service_address=proxy.local_service_address,
        local_service_port=proxy.local_service_port,
        local_service_socket_path=proxy.local_service_socket_path,
        mode=proxy.mode,
        config=proxy.config,
        upstreams=tuple(_upstream(upstream) for upstream in proxy.upstreams or ()),
        mesh_gateway=proxy.mesh_gateway,
        expose=_expose(proxy.expose),
        transparent_proxy=proxy.transparent_proxy,
        mutual_tls_mode=proxy.mutual_tls_mode,
        access_logs=proxy.access_logs,
        envoy_extensions=proxy.envoy_extensions,
    )


def _upstream(upstream: Upstream) -> AgentUpstream:
    return AgentUpstream(
        destination_type=upstream.destination_type,
        destination_namespace=upstream.destination_namespace,
        destination_partition=upstream.destination_partition,
        destination_peer=upstream.destination_peer,
        destination_name=upstream.destination_name,
        datacenter=upstream.datacenter,
        local_bind_address=upstream.local_bind_address,
        local_bind_port=upstream.local_bind_port,
        local_bind_socket_path=upstream.local_bind_socket_path,
        local_bind_socket_mode=upstream.local_bind_socket_mode,
        config=upstream.config,
        mesh_gateway=upstream.mesh_gateway,
    )


def _expose(expose: Expose) -> AgentExpose:
    return AgentExpose(
        checks=expose.checks,
        paths=tuple(
            AgentExposePath(
                listener_port=path.listener_port,
                path=path.path,
                local_path_port=path.local_path_port,
                protocol=path.protocol,
                parsed_from_check=path.parsed_from_check,
            )
            for path in expose.paths or ()
        ),
    )


def check_json(check: HealthCheck) -> dict[str, Any]:
    """A check as /v1/agent/checks shows it; tags are never null."""
    shown: dict[str, Any] = to_json(check)
    shown["ServiceTags"] = list(check.service_tags or ())
    return shown


def client_check_json(check: HealthCheck) -> dict[str, Any]:
    """A check as the agent's health endpoints show it: without type, with every default."""
    return {
        **check_json(check),
        "Type": "",
        "Definition": {
            "Interval": "0s",
            "Timeout": "0s",
            "DeregisterCriticalServiceAfter": "0s",
            "HTTP": "",
            "Header": None,
            "Method": "",
            "Body": "",
            "TLSSkipVerify": False,
            "TCP": "",
        },
    }
