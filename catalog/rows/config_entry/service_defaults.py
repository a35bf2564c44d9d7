"""service-defaults: a service's protocol and how it is reached."""

from ipaddress import ip_address
from typing import Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, errors_text, quoted, validate_meta
from catalog.rows.config_entry.host import is_host
from catalog.rows.config_entry.proxy_settings import (
    validate_expose,
    validate_extensions,
    validate_modes,
)
from catalog.rows.config_entry.ranges import Range, validate_ranges
from catalog.rows.config_entry.rate_limits import RateLimits, validate_rate_limits
from catalog.rows.config_entry.upstream_defaults import UpstreamConfig, upstream_faults
from catalog.rows.service import EnvoyExtension, Expose, MeshGateway, TransparentProxy
from catalog.schema import Omit, Row

SERVICE_DEFAULTS = "service-defaults"
WILDCARD = "*"
PORT_MAX = 65535
"""The greatest port of TCP."""
BALANCE = ("", "exact_balance")


class Destination(Row, frozen=True, kw_only=True):
    """Addresses outside the mesh that stand for the service. Since 1.13."""

    addresses: Omit[tuple[str, ...] | None] = None
    port: Omit[int] = 0


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
        if self.name == WILDCARD:
            raise Invalid("name must be the name of a service, and not a wildcard")
        validate_modes(self.mode, self.mutual_tls_mode, self.mesh_gateway, self.transparent_proxy)
        validate_expose(self.expose)
        validate_extensions(self.envoy_extensions)
        validate_ranges(
            "",
            Range("MaxInboundConnections", self.max_inbound_connections),
            Range("LocalConnectTimeoutMs", self.local_connect_timeout_ms),
            Range("LocalRequestTimeoutMs", self.local_request_timeout_ms),
        )
        if self.balance_inbound_connections not in BALANCE:
            message = (
                "BalanceInboundConnections must be '' or 'exact_balance', not "
                f"{quoted(self.balance_inbound_connections)}"
            )
            raise Invalid(message)
        validate_rate_limits(self.rate_limits)
        if self.destination is not None:
            if self.upstream_config is not None:
                raise Invalid("UpstreamConfig and Destination cannot both be set")
            _validate_destination(self.destination)
        faults = upstream_faults(self.upstream_config) if self.upstream_config else []
        if faults:
            raise Invalid(errors_text(faults))


def _validate_destination(destination: Destination) -> None:
    if not destination.addresses:
        raise Invalid("Destination.Addresses: at least one address is required")
    if not 0 < destination.port <= PORT_MAX:
        message = f"Destination.Port must be between 1 and {PORT_MAX}, not {destination.port}"
        raise Invalid(message)
    seen: set[str] = set()
    for address in destination.addresses:
        fault = ""
        if WILDCARD in address:
            fault = "must not contain a wildcard"
        elif address in seen:
            fault = "is given more than once"
        elif not (_is_ip(address) or is_host(address)):
            fault = "is neither an IP address nor a host name"
        if fault:
            message = f"Destination.Addresses: {quoted(address)} {fault}"
            raise Invalid(message)
        seen.add(address)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
