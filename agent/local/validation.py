"""What makes a service definition invalid, in the words that clients match on.

Source: Consul API, /v1/agent/service/register. Stricter than Consul where it accepts addresses that
DNS can never answer with: bracketed IPv6 and URLs are refused.
"""

import re
from ipaddress import ip_address
from typing import Final

from agent.checks.definition import CheckType, InvalidCheck
from agent.local.definitions import ServiceDefinition
from agent.local.errors import BadDefinition
from catalog.rows.check import STATUSES
from catalog.rows.service import (
    KIND_API_GATEWAY,
    KIND_CONNECT_PROXY,
    KIND_INGRESS_GATEWAY,
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    ConnectProxy,
    Upstream,
)

META_PAIRS_MAX: Final = 64  # Consul's limit
META_KEY_CHARACTERS_MAX: Final = 128  # Consul's limit
META_VALUE_CHARACTERS_MAX: Final = 512  # Consul's limit
WEIGHT_MAX: Final = 65535  # an SRV record holds 16 bits (RFC 2782)
PORT_MAX: Final = 65535  # TCP
DNS_LABEL_CHARACTERS_MAX: Final = 63  # RFC 1035 §2.3.4

GATEWAYS: Final = (
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    KIND_INGRESS_GATEWAY,
    KIND_API_GATEWAY,
)
UPSTREAM_SERVICE: Final = "service"
UPSTREAM_PREPARED_QUERY: Final = "prepared_query"
_UPSTREAM_TYPES: Final = ("", UPSTREAM_SERVICE, UPSTREAM_PREPARED_QUERY)
_EXPOSE_PROTOCOLS: Final = ("", "http", "http2")
_META_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_META_RESERVED: Final = "consul-"
_META_ALLOWED: Final = {KIND_MESH_GATEWAY: ("consul-wan-federation",)}
_NEVER_IN_ADDRESS: Final = re.compile(r"[\[\]/\s\x00-\x1f\x7f]")
_SOCKET_MODE: Final = re.compile(r"0?[0-7]{3}")
_DNS_LABEL: Final = re.compile(r"[A-Za-z0-9-]+")


def validate_service(definition: ServiceDefinition) -> None:
    """Raise BadDefinition unless the service can be registered."""
    if not definition.name:
        raise BadDefinition("Missing service name")
    _validate_address(definition.address)
    for tagged in (definition.tagged_addresses or {}).values():
        _validate_address(tagged.address)
    if definition.weights is not None:
        _validate_weights(definition.weights.passing, definition.weights.warning)
    _validate_meta(definition.kind, definition.meta or {})
    faults = [
        *_proxy_faults(definition),
        *_gateway_faults(definition),
        *_sidecar_faults(definition),
    ]
    if faults:
        raise BadDefinition(multiple_errors(faults))
    validate_checks(definition.check_types, "Invalid check: ")
    sidecar = definition.connect.sidecar_service if definition.connect else None
    if sidecar is not None:
        _validate_meta(sidecar.kind, sidecar.meta or {})
        validate_checks(sidecar.check_types, "Invalid check in sidecar_service: ")


def validate_checks(checks: tuple[CheckType, ...], prefix: str) -> None:
    """Raise BadDefinition unless every check of a service can run and starts in a known status."""
    for check in checks:
        validate_check(check, prefix)
    for check in checks:
        if check.status and check.status not in STATUSES:
            raise BadDefinition("Status for checks must 'passing', 'warning', 'critical'")


def validate_check(check: CheckType, prefix: str) -> None:
    """Raise BadDefinition with ``prefix`` unless the check can run."""
    try:
        check.validate()
    except InvalidCheck as fault:
        message = f"{prefix}{fault}"
        raise BadDefinition(message) from None


def multiple_errors(faults: list[str]) -> str:
    """Several faults as one text, as Consul's servers and agents write them."""
    count = "1 error" if len(faults) == 1 else f"{len(faults)} errors"
    return f"{count} occurred:\n\t* " + "\n\t* ".join(faults) + "\n\n"


def is_dns_label(name: str) -> bool:
    """Whether a service or tag name can be asked for in DNS."""
    return len(name) <= DNS_LABEL_CHARACTERS_MAX and _DNS_LABEL.fullmatch(name) is not None


def _validate_address(address: str) -> None:
    bare = address.removeprefix("[").removesuffix("]")
    try:
        if ip_address(bare).is_unspecified:
            raise BadDefinition("Invalid service address")
    except ValueError:
        pass  # a host name
    if _NEVER_IN_ADDRESS.search(address):
        message = (
            f'Invalid service address: "{address}" must be an IP address without brackets '
            "or a host name, without scheme or path"
        )
        raise BadDefinition(message)


def _validate_weights(passing: int, warning: int) -> None:
    if passing < 1:
        raise BadDefinition("Invalid Weights: Passing must be greater than 0")
    if warning < 0:
        raise BadDefinition("Invalid Weights: Warning must be greater or equal than 0")
    if max(passing, warning) > WEIGHT_MAX:
        message = f"Invalid Weights: DNS Weight must be between 0 and {WEIGHT_MAX}"
        raise BadDefinition(message)


def _validate_meta(kind: str, meta: dict[str, str]) -> None:
    if len(meta) > META_PAIRS_MAX:
        message = (
            f"Invalid Service Meta: Node metadata cannot contain more than {META_PAIRS_MAX} "
            "key/value pairs"
        )
        raise BadDefinition(message)
    for key, value in meta.items():
        fault = _meta_fault(kind, key, value)
        if fault:
            message = (
                f"Invalid Service Meta: Couldn't load metadata pair ('{key}', '{value}'): {fault}"
            )
            raise BadDefinition(message)


def _meta_fault(kind: str, key: str, value: str) -> str:
    if not key:
        return "Key cannot be blank"
    if not _META_KEY.fullmatch(key):
        return "Key contains invalid characters"
    if len(key) > META_KEY_CHARACTERS_MAX:
        return f"Key is too long (limit: {META_KEY_CHARACTERS_MAX} characters)"
    if key.startswith(_META_RESERVED) and key not in _META_ALLOWED.get(kind, ()):
        return f"Key prefix '{_META_RESERVED}' is reserved for internal use"
    if len(value) > META_VALUE_CHARACTERS_MAX:
        return f"Value is too long (limit: {META_VALUE_CHARACTERS_MAX} characters)"
    return ""


def _proxy_faults(definition: ServiceDefinition) -> list[str]:
    if definition.kind != KIND_CONNECT_PROXY:
        return []
    proxy = definition.proxy or ConnectProxy()
    faults = []
    if not proxy.destination_service_name.strip():
        faults.append("Proxy.DestinationServiceName must be non-empty for Connect proxy services")
    if definition.port == 0:
        faults.append("Port must be set for a Connect proxy")
    if definition.connect and definition.connect.native:
        faults.append("A Proxy cannot also be Connect Native, only typical services")
    return [*faults, *_upstream_faults(proxy.upstreams or ()), *_expose_faults(proxy)]


def _upstream_faults(upstreams: tuple[Upstream, ...]) -> list[str]:
    faults: list[str] = []
    destinations: set[tuple[str, ...]] = set()
    binds: set[str] = set()
    for upstream in upstreams:
        if upstream.destination_type not in _UPSTREAM_TYPES:
            faults.append(f'unknown upstream destination type: "{upstream.destination_type}"')
            continue
        if not upstream.destination_name:
            faults.append("upstream destination name cannot be empty")
            continue
        fault = _bind_fault(upstream)
        if fault:
            faults.append(fault)
            continue
        destination = (
            upstream.destination_type or UPSTREAM_SERVICE,
            upstream.destination_namespace,
            upstream.destination_name,
            upstream.datacenter,
            upstream.destination_peer,
        )
        if destination in destinations:
            faults.append(
                f"upstreams cannot contain duplicates of {_upstream_identity(destination)}"
            )
            continue
        destinations.add(destination)
        bind = upstream.local_bind_socket_path or _bind_address(upstream)
        if bind in binds:
            what = "unix path" if upstream.local_bind_socket_path else "address and port"
            faults.append(
                f"upstreams cannot contain duplicates by local bind {what}; "
                f'"{bind}" is specified twice'
            )
        binds.add(bind)
    return faults


def _bind_fault(upstream: Upstream) -> str:
    """Whether an upstream does not listen at either a port or a socket, or is in two places."""
    path, mode = upstream.local_bind_socket_path, upstream.local_bind_socket_mode
    if path and (upstream.local_bind_port or upstream.local_bind_address):
        return "only one of local bind address and port, or local bind socket path may be set"
    if not path and upstream.local_bind_port == 0:
        return "upstream local bind port cannot be zero"
    if mode and not (path and _SOCKET_MODE.fullmatch(mode)):
        return f'invalid socket mode "{mode}": must be octal, and needs a local bind socket path'
    if upstream.destination_peer and upstream.datacenter:
        return "upstream cannot specify both destination peer and datacenter"
    return ""


def _bind_address(upstream: Upstream) -> str:
    address = upstream.local_bind_address or "127.0.0.1"
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{upstream.local_bind_port}"


def _upstream_identity(destination: tuple[str, ...]) -> str:
    destination_type, namespace, name, datacenter, peer = destination
    text = f"{namespace}/{name}" if namespace and namespace != "default" else name
    if datacenter:
        text += f"?dc={datacenter}"
    if peer:
        text += f"?peer={peer}"
    return text if destination_type == UPSTREAM_SERVICE else f"{destination_type}:{text}"


def _expose_faults(proxy: ConnectProxy) -> list[str]:
    faults: list[str] = []
    paths: set[str] = set()
    ports: set[int] = set()
    for path in proxy.expose.paths or ():
        if not path.path:
            faults.append("expose.paths: empty path exposed")
        if path.path in paths:
            faults.append("expose.paths: duplicate paths exposed")
        if path.listener_port in ports:
            faults.append("expose.paths: duplicate listener ports exposed")
        if not 0 < path.listener_port <= PORT_MAX:
            faults.append(f"expose.paths: invalid listener port: {path.listener_port}")
        if path.protocol.lower() not in _EXPOSE_PROTOCOLS:
            faults.append(
                f"protocol '{path.protocol.lower()}' not supported for path: {path.path}, "
                "must be in: [http http2]"
            )
        paths.add(path.path)
        ports.add(path.listener_port)
    return faults


def _gateway_faults(definition: ServiceDefinition) -> list[str]:
    kind = definition.kind
    if kind not in GATEWAYS:
        return []
    proxy = definition.proxy or ConnectProxy()
    faults = []
    if definition.port == 0 and kind not in {KIND_INGRESS_GATEWAY, KIND_API_GATEWAY}:
        faults.append(f"Port must be non-zero for a {kind}")
    if definition.connect and definition.connect.sidecar_service:
        faults.append(f"A {kind} cannot have a sidecar service defined")
    for field, is_set in (
        ("DestinationServiceName", proxy.destination_service_name),
        ("DestinationServiceID", proxy.destination_service_id),
        ("LocalServiceAddress", proxy.local_service_address),
        ("LocalServicePort", proxy.local_service_port),
        ("Upstreams", proxy.upstreams),
    ):
        if is_set:
            faults.append(f"The Proxy.{field} configuration is invalid for a {kind}")
    return faults


def _sidecar_faults(definition: ServiceDefinition) -> list[str]:
    sidecar = definition.connect.sidecar_service if definition.connect else None
    if sidecar is None:
        return []
    faults = []
    if sidecar.id:
        faults.append("A SidecarService cannot specify an ID as this is managed by the agent")
    if sidecar.connect and sidecar.connect.sidecar_service:
        faults.append("A SidecarService cannot have a nested SidecarService")
    return faults
