"""From definitions to what is registered: services with their checks, defaults filled in.

Pure. ``plan_service`` gives a service and, where asked for, its sidecar; ``plan_check`` gives one
check. Both validate; nothing is changed until every plan of a request stands.
Source: Consul API, /v1/agent/service/register, and its sidecar defaults.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

import msgspec

from agent.checks.definition import CheckType
from agent.local.definitions import CheckDefinition, ServiceDefinition, WeightsDefinition
from agent.local.errors import BadDefinition
from agent.local.validation import (
    UPSTREAM_SERVICE,
    validate_check,
    validate_service,
)
from catalog.duration import SECOND
from catalog.rows.check import CRITICAL, STATUSES, HealthCheck
from catalog.rows.service import (
    KIND_CONNECT_PROXY,
    ConnectProxy,
    NodeService,
    ServiceAddress,
    ServiceConnect,
    Weights,
)

SIDECAR_SUFFIX: Final = "-sidecar-proxy"
SIDECAR_CHECK_INTERVAL_NS: Final = 10 * SECOND  # Consul's default check of a sidecar
_LOCALHOST: Final = "127.0.0.1"

ChoosePort = Callable[[str], int]
"""Gives a port for the sidecar of this ID; raises BadDefinition when none is left."""


class PlannedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A check before its node and its last status are known."""

    check: HealthCheck
    definition: CheckType
    token: str = ""


class PlannedService(msgspec.Struct, frozen=True, kw_only=True):
    """A service to register. ``is_sidecar``: it comes along with another service."""

    service: NodeService
    checks: tuple[PlannedCheck, ...] = ()
    token: str = ""
    is_sidecar: bool = False


def plan_service(
    definition: ServiceDefinition, node: str, choose_port: ChoosePort
) -> tuple[PlannedService, ...]:
    """The service and its sidecar, if it has one. Raises BadDefinition."""
    validate_service(definition)
    service = _service(definition)
    planned = PlannedService(
        service=service,
        checks=_checks(service, definition.check_types, node, definition.token),
        token=definition.token,
    )
    sidecar = definition.connect.sidecar_service if definition.connect else None
    if sidecar is None:
        return (planned,)
    try:
        return planned, _plan_sidecar(sidecar, planned, node, choose_port)
    except BadDefinition as fault:
        message = f"Invalid SidecarService: {fault}"
        raise BadDefinition(message) from None


def plan_check(definition: CheckDefinition, node: str, service: NodeService | None) -> PlannedCheck:
    """A check of the node, or of ``service``. Raises BadDefinition."""
    check = definition.check_type()
    if not check.name:
        raise BadDefinition("Missing check name")
    if check.status and check.status not in STATUSES:
        raise BadDefinition("Bad check status")
    validate_check(check, "Invalid check: ")
    check = msgspec.structs.replace(check, check_id=check.check_id or check.name)
    return PlannedCheck(
        check=_health_check(check, node, service), definition=check, token=definition.token
    )


def _service(definition: ServiceDefinition) -> NodeService:
    weights = definition.weights
    return NodeService(
        kind=definition.kind,
        id=definition.id or definition.name,
        service=definition.name,
        tags=definition.tags,
        address=definition.address,
        tagged_addresses=_tagged_addresses(definition),
        meta=definition.meta,
        port=definition.port,
        weights=Weights(passing=weights.passing, warning=weights.warning) if weights else Weights(),
        enable_tag_override=definition.enable_tag_override,
        proxy=_proxy(definition.proxy or ConnectProxy()),
        connect=ServiceConnect(native=definition.connect is not None and definition.connect.native),
    )


def _tagged_addresses(definition: ServiceDefinition) -> dict[str, ServiceAddress] | None:
    """The given ones, and the service's own address under the names of its family."""
    tagged = dict(definition.tagged_addresses or {})
    try:
        version = ip_address(definition.address).version
    except ValueError:
        return tagged or None
    own = ServiceAddress(address=definition.address, port=definition.port)
    for network in ("lan", "wan"):
        tagged.setdefault(f"{network}_ipv{version}", own)
    return tagged


def _proxy(proxy: ConnectProxy) -> ConnectProxy:
    if not proxy.upstreams:
        return proxy
    upstreams = tuple(
        msgspec.structs.replace(
            upstream, destination_type=upstream.destination_type or UPSTREAM_SERVICE
        )
        for upstream in proxy.upstreams
    )
    return msgspec.structs.replace(proxy, upstreams=upstreams)


def _checks(
    service: NodeService, checks: tuple[CheckType, ...], node: str, token: str
) -> tuple[PlannedCheck, ...]:
    planned: dict[str, PlannedCheck] = {}  # of two checks with one ID the later stands
    for number, given in enumerate(checks, start=1):
        default_id = f"service:{service.id}" + (f":{number}" if len(checks) > 1 else "")
        check = msgspec.structs.replace(
            given,
            check_id=given.check_id or default_id,
            name=given.name or f"Service '{service.service}' check",
            service_id=service.id,
        )
        planned[check.check_id] = PlannedCheck(
            check=_health_check(check, node, service),
            definition=check,
            token=check.token or token,
        )
    return tuple(planned.values())


def _health_check(check: CheckType, node: str, service: NodeService | None) -> HealthCheck:
    return HealthCheck(
        node=node,
        check_id=check.check_id,
        name=check.name,
        status=check.status or CRITICAL,
        notes=check.notes,
        service_id=service.id if service else "",
        service_name=service.service if service else "",
        service_tags=service.tags if service else None,
        type=check.type_name,
    )


def _plan_sidecar(
    given: ServiceDefinition, parent: PlannedService, node: str, choose_port: ChoosePort
) -> PlannedService:
    """The sidecar with what it leaves out taken from the service that it stands beside."""
    service = parent.service
    sidecar_id = service.id + SIDECAR_SUFFIX
    proxy = given.proxy or ConnectProxy()
    proxy = msgspec.structs.replace(
        proxy,
        destination_service_name=proxy.destination_service_name or service.service,
        destination_service_id=proxy.destination_service_id or service.id,
        local_service_address=proxy.local_service_address or _LOCALHOST,
        # An application that listens at a socket has no port to be reached at.
        local_service_port=proxy.local_service_port
        or (0 if proxy.local_service_socket_path else service.port),
    )
    definition = msgspec.structs.replace(
        given,
        id=sidecar_id,
        kind=given.kind or KIND_CONNECT_PROXY,
        name=given.name or service.service + SIDECAR_SUFFIX,
        address=given.address or service.address,
        tags=given.tags or service.tags,
        meta=given.meta or service.meta,
        weights=given.weights or _weights_of(service),
        port=given.port if given.port > 0 else choose_port(sidecar_id),
        proxy=proxy,
    )
    validate_service(definition)
    sidecar = _service(definition)
    token = given.token or parent.token
    checks = definition.check_types or _default_sidecar_checks(definition.port, proxy, service.id)
    return PlannedService(
        service=sidecar,
        checks=_checks(sidecar, checks, node, token),
        token=token,
        is_sidecar=True,
    )


def _weights_of(service: NodeService) -> WeightsDefinition:
    return WeightsDefinition(passing=service.weights.passing, warning=service.weights.warning)


def _default_sidecar_checks(
    port: int, proxy: ConnectProxy, service_id: str
) -> tuple[CheckType, ...]:
    address = proxy.local_service_address
    host = f"[{address}]" if ":" in address else address
    return (
        CheckType(
            name="Connect Sidecar Listening",
            tcp=f"{host}:{port}",
            interval_ns=SIDECAR_CHECK_INTERVAL_NS,
        ),
        CheckType(name=f"Connect Sidecar Aliasing {service_id}", alias_service=service_id),
    )
