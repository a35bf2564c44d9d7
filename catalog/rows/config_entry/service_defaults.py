"""service-defaults: a service's protocol and how it is reached."""

from typing import Any, Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, validate_meta
from catalog.rows.service import Expose, MeshGateway
from catalog.schema import Omit, Row

SERVICE_DEFAULTS = "service-defaults"


class TransparentProxy(Row, frozen=True, kw_only=True):
    """How traffic is captured. Since 1.10."""

    outbound_listener_port: Omit[int] = 0
    dialed_directly: Omit[bool] = False


class Destination(Row, frozen=True, kw_only=True):
    """Addresses outside the mesh that stand for the service. Since 1.13."""

    addresses: Omit[tuple[str, ...] | None] = None
    port: Omit[int] = 0


class UpstreamLimits(Row, frozen=True, kw_only=True):
    """What may be open to an upstream at once; None is the proxy's default."""

    max_connections: Omit[int | None] = None
    max_pending_requests: Omit[int | None] = None
    max_concurrent_requests: Omit[int | None] = None


class UpstreamDefaults(Row, frozen=True, kw_only=True):
    """How a service dials its upstreams. Since 1.10."""

    name: Omit[str] = ""
    protocol: Omit[str] = ""
    connect_timeout_ms: Omit[int] = 0
    limits: Omit[UpstreamLimits | None] = None
    passive_health_check: Omit[dict[str, Any] | None] = None
    mesh_gateway: Omit[MeshGateway | None] = None
    balance_outbound_connections: Omit[str] = ""


class UpstreamConfig(Row, frozen=True, kw_only=True):
    """Defaults for all upstreams, and what differs for some."""

    overrides: Omit[tuple[UpstreamDefaults, ...] | None] = None
    defaults: Omit[UpstreamDefaults | None] = None


class ServiceDefaults(Entry, frozen=True, kw_only=True, tag=SERVICE_DEFAULTS):
    """Defaults of one service; fields after ``external_sni`` came after 1.9."""

    protocol: str = ""
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()
    external_sni: Omit[str] = ""
    mode: Omit[str] = ""
    transparent_proxy: Omit[TransparentProxy | None] = None
    mutual_tls_mode: Omit[str] = ""
    upstream_config: Omit[UpstreamConfig | None] = None
    destination: Omit[Destination | None] = None
    max_inbound_connections: Omit[int] = 0
    local_connect_timeout_ms: Omit[int] = 0
    local_request_timeout_ms: Omit[int] = 0
    balance_inbound_connections: Omit[str] = ""

    @override
    def normalized(self) -> Self:
        return msgspec.structs.replace(self, protocol=self.protocol.lower())

    @override
    def validate(self) -> None:
        validate_meta(self.meta)
        if not self.name:
            raise Invalid("serviceName is required")
