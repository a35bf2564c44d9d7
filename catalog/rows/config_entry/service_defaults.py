"""service-defaults: a service's protocol and how it is reached."""

from typing import Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, Nanoseconds, validate_meta
from catalog.rows.service import EnvoyExtension, Expose, MeshGateway, TransparentProxy
from catalog.schema import Omit, Row

SERVICE_DEFAULTS = "service-defaults"


class Destination(Row, frozen=True, kw_only=True):
    """Addresses outside the mesh that stand for the service. Since 1.13."""

    addresses: Omit[tuple[str, ...] | None] = None
    port: Omit[int] = 0


class UpstreamLimits(Row, frozen=True, kw_only=True):
    """What may be open to an upstream at once; None is the proxy's default."""

    max_connections: Omit[int | None] = None
    max_pending_requests: Omit[int | None] = None
    max_concurrent_requests: Omit[int | None] = None


class PassiveHealthCheck(Row, frozen=True, kw_only=True):
    """When an instance that fails is set aside; None is the proxy's default. Times: nanoseconds."""

    interval: Omit[Nanoseconds] = 0
    max_failures: Omit[int] = 0
    enforcing_consecutive_5xx: Omit[int | None] = None
    max_ejection_percent: Omit[int | None] = None
    base_ejection_time: Omit[Nanoseconds] = 0


class RetryBudget(Row, frozen=True, kw_only=True):
    """Retries that may be open: a share of the requests, and at least some a second. Not Consul's.

    None is the proxy's default.
    """

    percent: Omit[float | None] = None
    min_per_second: Omit[int | None] = None


class UpstreamDefaults(Row, frozen=True, kw_only=True):
    """How a service dials its upstreams; ``name`` only in overrides. Since 1.10."""

    name: Omit[str] = ""
    namespace: Omit[str] = ""
    partition: Omit[str] = ""
    peer: Omit[str] = ""
    envoy_listener_json: Omit[str] = msgspec.field(default="", name="EnvoyListenerJSON")
    envoy_cluster_json: Omit[str] = msgspec.field(default="", name="EnvoyClusterJSON")
    protocol: Omit[str] = ""
    connect_timeout_ms: Omit[int] = 0
    limits: Omit[UpstreamLimits | None] = None
    passive_health_check: Omit[PassiveHealthCheck | None] = None
    mesh_gateway: Omit[MeshGateway | None] = None
    balance_outbound_connections: Omit[str] = ""
    retry_budget: Omit[RetryBudget | None] = None


class UpstreamConfig(Row, frozen=True, kw_only=True):
    """Defaults for all upstreams, and what differs for some."""

    overrides: Omit[tuple[UpstreamDefaults, ...] | None] = None
    defaults: Omit[UpstreamDefaults | None] = None


class RateLimitRoute(Row, frozen=True, kw_only=True):
    """A limit for some paths; the first that matches replaces the one of the instance."""

    path_exact: Omit[str] = ""
    path_prefix: Omit[str] = ""
    path_regex: Omit[str] = ""
    requests_per_second: Omit[int] = 0
    requests_max_burst: Omit[int] = 0


class InstanceRateLimits(Row, frozen=True, kw_only=True):
    """What each instance takes; a burst of 0 is as many as a second's."""

    requests_per_second: Omit[int] = 0
    requests_max_burst: Omit[int] = 0
    routes: Omit[tuple[RateLimitRoute, ...] | None] = None


class RateLimits(Row, frozen=True, kw_only=True):
    """Limits of incoming requests. Since 1.17."""

    instance_level: InstanceRateLimits = InstanceRateLimits()


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
    rate_limits: Omit[RateLimits | None] = None
    envoy_extensions: Omit[tuple[EnvoyExtension, ...] | None] = None

    @override
    def normalized(self) -> Self:
        return msgspec.structs.replace(self, protocol=self.protocol.lower())

    @override
    def validate(self) -> None:
        validate_meta(self.meta)
        if not self.name:
            raise Invalid("serviceName is required")
