"""How a service dials its upstreams; part of service-defaults and ingress-gateway."""

from typing import Final, Protocol

import msgspec

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Nanoseconds, quoted
from catalog.rows.config_entry.proxy_settings import validate_modes
from catalog.rows.config_entry.ranges import Range, duration, percent, validate_ranges
from catalog.rows.service import MeshGateway
from catalog.schema import Omit, Row

WILDCARD: Final = "*"
BALANCE: Final = ("", "exact_balance")


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


def upstream_faults(config: UpstreamConfig) -> list[str]:
    """What is wrong with the defaults and the overrides, one text a fault."""
    faults: list[str] = []
    for override in config.overrides or ():
        try:
            if not override.name:
                raise Invalid("Name is required")
            if override.name == WILDCARD:
                raise Invalid("Wildcard name is not supported")
            _validate(override)
        except Invalid as fault:
            faults.append(f"error in upstream override for {override.name}: {fault}")
    if config.defaults is not None:
        try:
            if config.defaults.name:
                raise Invalid("Name must be empty")
            if config.defaults.peer:
                raise Invalid("Peer must be empty")
            _validate(config.defaults)
        except Invalid as fault:
            faults.append(f"error in upstream defaults: {fault}")
    return faults


def _validate(upstream: UpstreamDefaults) -> None:
    validate_modes(mesh_gateway=upstream.mesh_gateway)
    limits = upstream.limits or UpstreamLimits()
    budget = upstream.retry_budget or RetryBudget()
    validate_ranges(
        "",
        Range("ConnectTimeoutMs", upstream.connect_timeout_ms),
        *limit_ranges("Limits.", limits),
        percent("RetryBudget.Percent", budget.percent),
        Range("RetryBudget.MinPerSecond", budget.min_per_second),
    )
    if upstream.balance_outbound_connections not in BALANCE:
        message = (
            "BalanceOutboundConnections must be '' or 'exact_balance', not "
            f"{quoted(upstream.balance_outbound_connections)}"
        )
        raise Invalid(message)
    validate_passive_health_check("", upstream.passive_health_check)


class Limited(Protocol):
    """Whatever has the three limits."""

    @property
    def max_connections(self) -> int | None:
        """Connections that may be open."""

    @property
    def max_pending_requests(self) -> int | None:
        """Requests that may wait for a connection."""

    @property
    def max_concurrent_requests(self) -> int | None:
        """Requests that may be under way."""


def limit_ranges(prefix: str, limited: Limited) -> tuple[Range, ...]:
    """Limits are not negative."""
    return (
        Range(f"{prefix}MaxConnections", limited.max_connections),
        Range(f"{prefix}MaxPendingRequests", limited.max_pending_requests),
        Range(f"{prefix}MaxConcurrentRequests", limited.max_concurrent_requests),
    )


def validate_passive_health_check(prefix: str, check: PassiveHealthCheck | None) -> None:
    """Raise Invalid for a number out of its range; ``prefix`` starts the text."""
    if check is None:
        return
    validate_ranges(
        f"{prefix}PassiveHealthCheck.",
        duration("Interval", check.interval),
        Range("MaxFailures", check.max_failures),
        percent("EnforcingConsecutive5xx", check.enforcing_consecutive_5xx),
        percent("MaxEjectionPercent", check.max_ejection_percent),
        duration("BaseEjectionTime", check.base_ejection_time),
    )
