"""ingress-gateway: services that a gateway offers to clients outside the mesh."""

from typing import Final, Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted
from catalog.rows.config_entry.host import is_host
from catalog.rows.config_entry.ranges import validate_ranges
from catalog.rows.config_entry.service_router import HeaderModifiers, validate_modifiers
from catalog.rows.config_entry.tls_settings import validate_tls
from catalog.rows.config_entry.upstream_defaults import (
    PassiveHealthCheck,
    limit_ranges,
    validate_passive_health_check,
)
from catalog.schema import Omit, Row

INGRESS_GATEWAY: Final = "ingress-gateway"
WILDCARD: Final = "*"
TCP: Final = "tcp"
HTTP: Final = "http"
PROTOCOLS: Final = (TCP, HTTP, "http2", "grpc")


class GatewaySDS(Row, frozen=True, kw_only=True):
    """Where a certificate comes from that is not of the mesh."""

    cluster_name: Omit[str] = ""
    cert_resource: Omit[str] = ""


class GatewayTLS(Row, frozen=True, kw_only=True):
    """Whether listeners speak TLS, and how. All but ``enabled`` came after 1.9."""

    enabled: bool = False
    tls_min_version: Omit[str] = ""
    tls_max_version: Omit[str] = ""
    cipher_suites: Omit[tuple[str, ...] | None] = None
    sds: Omit[GatewaySDS | None] = msgspec.field(default=None, name="SDS")


class GatewayServiceTLS(Row, frozen=True, kw_only=True):
    """The certificate of one service's hosts."""

    sds: Omit[GatewaySDS | None] = msgspec.field(default=None, name="SDS")


class IngressDefaults(Row, frozen=True, kw_only=True):
    """What services have that say nothing themselves. Since 1.13."""

    max_connections: Omit[int | None] = None
    max_pending_requests: Omit[int | None] = None
    max_concurrent_requests: Omit[int | None] = None
    passive_health_check: Omit[PassiveHealthCheck | None] = None


class IngressService(Row, frozen=True, kw_only=True):
    """A service behind a listener; ``*`` is every service with the listener's protocol.

    Fields after ``hosts`` came after 1.9.
    """

    name: str = ""
    hosts: tuple[str, ...] | None = None
    tls: Omit[GatewayServiceTLS | None] = None
    request_headers: Omit[HeaderModifiers | None] = None
    response_headers: Omit[HeaderModifiers | None] = None
    max_connections: Omit[int | None] = None
    max_pending_requests: Omit[int | None] = None
    max_concurrent_requests: Omit[int | None] = None
    passive_health_check: Omit[PassiveHealthCheck | None] = None


class IngressListener(Row, frozen=True, kw_only=True):
    """A port and what is behind it; ``tls`` replaces the gateway's."""

    port: int = 0
    protocol: str = ""
    services: tuple[IngressService, ...] | None = None
    tls: Omit[GatewayTLS | None] = None


class IngressGateway(Entry, frozen=True, kw_only=True, tag=INGRESS_GATEWAY):
    """The listeners of a gateway service."""

    tls: GatewayTLS = GatewayTLS()
    listeners: tuple[IngressListener, ...] | None = None
    defaults: Omit[IngressDefaults | None] = None

    @override
    def normalized(self) -> Self:
        listeners = self.listeners and tuple(
            msgspec.structs.replace(listener, protocol=listener.protocol.lower() or TCP)
            for listener in self.listeners
        )
        return msgspec.structs.replace(self, listeners=listeners)

    @override
    def validate(self) -> None:
        super().validate()
        ports: set[int] = set()
        for listener in self.listeners or ():
            if listener.port in ports:
                message = f"port {listener.port} declared on two listeners"
                raise Invalid(message)
            ports.add(listener.port)
            fault = _listener_fault(listener)
            if fault:
                message = f"{fault} (listener on port {listener.port})"
                raise Invalid(message)
            for service in listener.services or ():
                for host in service.hosts or ():
                    _validate_host(host, tls=(listener.tls or self.tls).enabled)
                _validate_service(service)
            _validate_tls(listener.tls)
        _validate_tls(self.tls)
        if self.defaults is not None:
            validate_ranges("Defaults.", *limit_ranges("", self.defaults))
            validate_passive_health_check("Defaults.", self.defaults.passive_health_check)


def _validate_tls(tls: GatewayTLS | None) -> None:
    if tls is None:
        return
    validate_tls(tls.tls_min_version, tls.tls_max_version, tls.cipher_suites)
    _validate_sds("TLS", tls.sds)


def _validate_sds(place: str, sds: GatewaySDS | None) -> None:
    if sds is not None and bool(sds.cluster_name) != bool(sds.cert_resource):
        message = f"{place}.SDS.ClusterName and CertResource must both be set"
        raise Invalid(message)


def _validate_service(service: IngressService) -> None:
    prefix = f"Service {service.name} "
    validate_ranges(prefix, *limit_ranges("", service))
    validate_passive_health_check(prefix, service.passive_health_check)
    validate_modifiers(f"{prefix}RequestHeaders", service.request_headers)
    validate_modifiers(f"{prefix}ResponseHeaders", service.response_headers)
    _validate_sds(f"{prefix}TLS", service.tls.sds if service.tls else None)


def _listener_fault(listener: IngressListener) -> str:
    """What is wrong, without the port; raises Invalid where the text says the port otherwise."""
    if listener.protocol not in PROTOCOLS:
        message = (
            "protocol must be 'tcp', 'http', 'http2', or 'grpc'. "
            f"'{listener.protocol}' is an unsupported protocol"
        )
        raise Invalid(message)
    if not listener.services:
        message = f"No service declared for listener with port {listener.port}"
        raise Invalid(message)
    if len(listener.services) > 1 and listener.protocol == TCP:
        return "Multiple services per listener are only supported for protocol = 'http'"
    names: set[str] = set()
    hosts: set[str] = set()
    for service in listener.services:
        fault = _service_fault(service, listener.protocol)
        if fault:
            return fault
        if service.name in names:
            return f"Service {service.name} cannot be added multiple times"
        names.add(service.name)
        for host in service.hosts or ():
            if host in hosts:
                return "Hosts must be unique within a specific listener"
            hosts.add(host)
    return ""


def _service_fault(service: IngressService, protocol: str) -> str:
    if service.name == WILDCARD and protocol == TCP:
        return "Wildcard service name is only valid for protocol = 'http'"
    if service.name == WILDCARD and service.hosts:
        return "Associating hosts to a wildcard service is not supported"
    if not service.name:
        return "Service name cannot be blank"
    if service.hosts and protocol == TCP:
        return "Associating hosts to a service is not supported for the tcp protocol"
    return ""


def _validate_host(host: str, *, tls: bool) -> None:
    if host == WILDCARD:
        if tls:
            message = (
                "Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records "
                "to add as a DNSSAN"
            )
            raise Invalid(message)
        return
    if WILDCARD in host.removeprefix("*."):
        message = (
            f"Host {quoted(host)} is not valid, a wildcard specifier is only allowed as the "
            "leftmost label"
        )
        raise Invalid(message)
    if not is_host(host.removeprefix("*.")):
        message = f"Host {quoted(host)} must be a valid DNS hostname"
        raise Invalid(message)
