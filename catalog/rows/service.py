"""Service instances and their proxies. Source: Consul API, /v1/catalog, /v1/agent/services."""

from typing import Any, Final

import msgspec

from catalog.schema import Omit, Row, Unfiltered

KIND_TYPICAL: Final = ""
KIND_CONNECT_PROXY: Final = "connect-proxy"
KIND_MESH_GATEWAY: Final = "mesh-gateway"
KIND_TERMINATING_GATEWAY: Final = "terminating-gateway"
KIND_INGRESS_GATEWAY: Final = "ingress-gateway"
KINDS: Final = (
    KIND_TYPICAL,
    KIND_CONNECT_PROXY,
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    KIND_INGRESS_GATEWAY,
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


class Upstream(Row, frozen=True, kw_only=True):
    """A service that a proxy dials for its local application."""

    destination_type: str = ""
    destination_namespace: Omit[str] = ""
    destination_name: str = ""
    datacenter: str = ""
    local_bind_address: Omit[str] = ""
    local_bind_port: int = 0
    config: Unfiltered[Omit[dict[str, Any] | None]] = None
    mesh_gateway: MeshGateway = MeshGateway()


class ConnectProxy(Row, frozen=True, kw_only=True):
    """The proxy part of a registration; empty for services that are no proxy."""

    destination_service_name: Omit[str] = ""
    destination_service_id: Omit[str] = ""
    local_service_address: Omit[str] = ""
    local_service_port: Omit[int] = 0
    config: Unfiltered[Omit[dict[str, Any] | None]] = None
    upstreams: Omit[tuple[Upstream, ...] | None] = None
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()


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
