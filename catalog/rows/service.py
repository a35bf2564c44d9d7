"""Service instances and their proxies. Source: Consul API, /v1/catalog, /v1/agent/services."""

from typing import Any, Final

import msgspec

from catalog.schema import Omit, Row, Unfiltered

KIND_TYPICAL: Final = ""
KIND_CONNECT_PROXY: Final = "connect-proxy"
KIND_MESH_GATEWAY: Final = "mesh-gateway"
KIND_TERMINATING_GATEWAY: Final = "terminating-gateway"
KIND_INGRESS_GATEWAY: Final = "ingress-gateway"
KIND_API_GATEWAY: Final = "api-gateway"
KINDS: Final = (
    KIND_TYPICAL,
    KIND_CONNECT_PROXY,
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    KIND_INGRESS_GATEWAY,
    KIND_API_GATEWAY,
)


class Weights(Row, frozen=True, kw_only=True):
    """DNS SRV weights by state."""

    passing: int = 1
    warning: int = 1


class ServiceAddress(Row, frozen=True, kw_only=True):
    """A tagged address of a service."""

    address: str = ""
    port: int = 0


class MeshGateway(Row, frozen=True, kw_only=True):
    """How traffic to other datacenters leaves: "", none, local or remote."""

    mode: Omit[str] = ""


class ExposePath(Row, frozen=True, kw_only=True):
    """An HTTP path that a proxy serves without TLS."""

    listener_port: Omit[int] = 0
    path: Omit[str] = ""
    local_path_port: Omit[int] = 0
    protocol: Omit[str] = ""
    parsed_from_check: Omit[bool] = False


class Expose(Row, frozen=True, kw_only=True):
    """What a proxy serves without TLS."""

    checks: Omit[bool] = False
    paths: Omit[tuple[ExposePath, ...] | None] = None


class TransparentProxy(Row, frozen=True, kw_only=True):
    """How traffic is captured. Since 1.10."""

    outbound_listener_port: Omit[int] = 0
    dialed_directly: Omit[bool] = False


class AccessLogs(Row, frozen=True, kw_only=True):
    """What a proxy logs of its traffic: to ``stdout`` (also if ``type`` is empty), ``stderr`` or a
    ``file`` at ``path``, as text or as JSON. Since 1.15."""

    enabled: Omit[bool] = False
    disable_listener_logs: Omit[bool] = False
    type: Omit[str] = ""
    path: Omit[str] = ""
    json_format: Omit[str] = msgspec.field(default="", name="JSONFormat")
    text_format: Omit[str] = ""


class EnvoyExtension(Row, frozen=True, kw_only=True):
    """A named change to what Envoy is told. Since 1.15."""

    name: str = ""
    required: Omit[bool] = False
    arguments: Unfiltered[Omit[dict[str, Any] | None]] = None
    consul_version: Omit[str] = ""
    envoy_version: Omit[str] = ""


class Upstream(Row, frozen=True, kw_only=True):
    """A service that a proxy dials for its local application.

    It listens on an address and a port, or at a Unix socket whose mode is octal text.
    """

    destination_type: str = ""
    destination_namespace: Omit[str] = ""
    destination_partition: Omit[str] = ""
    destination_peer: Omit[str] = ""
    destination_name: str = ""
    datacenter: str = ""
    local_bind_address: Omit[str] = ""
    local_bind_port: int = 0
    local_bind_socket_path: Omit[str] = ""
    local_bind_socket_mode: Omit[str] = ""
    config: Unfiltered[Omit[dict[str, Any] | None]] = None
    mesh_gateway: MeshGateway = MeshGateway()


class ConnectProxy(Row, frozen=True, kw_only=True):
    """The proxy part of a registration; empty for services that are no proxy."""

    destination_service_name: Omit[str] = ""
    destination_service_id: Omit[str] = ""
    local_service_address: Omit[str] = ""
    local_service_port: Omit[int] = 0
    local_service_socket_path: Omit[str] = ""
    mode: Omit[str] = ""
    config: Unfiltered[Omit[dict[str, Any] | None]] = None
    upstreams: Omit[tuple[Upstream, ...] | None] = None
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()
    transparent_proxy: Omit[TransparentProxy | None] = None
    mutual_tls_mode: Omit[str] = ""
    access_logs: Omit[AccessLogs | None] = None
    envoy_extensions: Omit[tuple[EnvoyExtension, ...] | None] = None


class ServiceConnect(Row, frozen=True, kw_only=True):
    """Whether the service speaks mutual TLS by itself."""

    native: Omit[bool] = False


class NodeService(Row, frozen=True, kw_only=True):
    """One instance of a service on a node."""

    kind: Omit[str] = ""
    id: str = ""
    service: str = ""
    tags: tuple[str, ...] | None = None
    address: str = ""
    tagged_addresses: Omit[dict[str, ServiceAddress] | None] = None
    meta: dict[str, str] | None = None
    port: int = 0
    weights: Weights = Weights()
    enable_tag_override: bool = False
    proxy: ConnectProxy = ConnectProxy()
    connect: ServiceConnect = ServiceConnect()
    create_index: Unfiltered[int] = 0
    modify_index: Unfiltered[int] = 0


class ServiceInstance(Row, frozen=True, kw_only=True):
    """The stored row: a service instance and the name of the node that it is on."""

    node: str
    service: NodeService


class ServiceNode(Row, frozen=True, kw_only=True):
    """An instance joined with its node, flat. Source: /v1/catalog/service/:name."""

    id: str = ""
    node: str = ""
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    node_meta: dict[str, str] | None = None
    service_kind: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] | None = None
    service_address: str = ""
    service_tagged_addresses: Omit[dict[str, ServiceAddress] | None] = None
    service_weights: Weights = Weights()
    service_meta: dict[str, str] | None = None
    service_port: int = 0
    service_enable_tag_override: bool = False
    service_proxy: ConnectProxy = ConnectProxy()
    service_connect: ServiceConnect = ServiceConnect()
    create_index: Unfiltered[int] = 0
    modify_index: Unfiltered[int] = 0


class GatewayService(Row, frozen=True, kw_only=True):
    """A service that a gateway exposes or reaches. Source: /v1/catalog/gateway-services."""

    gateway: str
    service: str
    gateway_kind: str
    port: Omit[int] = 0
    protocol: Omit[str] = ""
    hosts: Omit[tuple[str, ...] | None] = None
    ca_file: Omit[str] = msgspec.field(default="", name="CAFile")
    cert_file: Omit[str] = ""
    key_file: Omit[str] = ""
    sni: Omit[str] = ""
    from_wildcard: Omit[bool] = False
    create_index: Unfiltered[int] = 0
    modify_index: Unfiltered[int] = 0
