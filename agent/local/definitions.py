"""Service and check registrations as users write them, in bodies and in configuration files.

The zero of every field means "not given". ``service_from_tree`` and ``check_from_tree`` read the
snake-case keys of configuration files; ``agent.local.body`` reads request bodies.
Source: Consul API, /v1/agent/service/register and /v1/agent/check/register.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from agent.checks.definition import CheckType
from agent.http.decode import DecodeFault, decode_value
from agent.local.errors import BadDefinition
from catalog.duration import Duration
from catalog.rows.service import (
    AccessLogs,
    ConnectProxy,
    EnvoyExtension,
    Expose,
    ExposePath,
    MeshGateway,
    ServiceAddress,
    ServiceConnect,
    TransparentProxy,
    Upstream,
)
from catalog.schema import Row, go_name


class CheckDefinition(Row, frozen=True, kw_only=True):
    """A check, alone or within a service. Durations are nanoseconds."""

    id: str = ""
    check_id: str = ""
    name: str = ""
    notes: str = ""
    service_id: str = ""
    token: str = ""
    status: str = ""
    script_args: tuple[str, ...] | None = None
    http: str = ""
    header: dict[str, tuple[str, ...]] | None = None
    method: str = ""
    body: str = ""
    disable_redirects: bool = False
    tcp: str = ""
    tcp_use_tls: bool = False
    udp: str = ""
    interval: Duration = 0
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    h2ping: str = msgspec.field(default="", name="H2PING")
    h2ping_use_tls: bool = msgspec.field(default=True, name="H2PingUseTLS")
    os_service: str = ""
    tls_server_name: str = ""
    tls_skip_verify: bool = False
    alias_node: str = ""
    alias_service: str = ""
    timeout: Duration = 0
    ttl: Duration = 0
    success_before_passing: int = 0
    failures_before_warning: int = 0
    failures_before_critical: int = 0
    deregister_critical_service_after: Duration = 0
    output_max_size: int = 0

    def check_type(self) -> CheckType:
        """The check as it is run; the ID of a check without one is empty."""
        values = {
            field: getattr(self, field)
            for field in _SHARED_FIELDS
            if getattr(self, field) is not None
        }
        return CheckType(
            **values,
            check_id=self.check_id or self.id,
            interval_ns=self.interval,
            timeout_ns=self.timeout,
            ttl_ns=self.ttl,
            deregister_critical_service_after_ns=self.deregister_critical_service_after,
        )

    @classmethod
    def of(cls, check: CheckType) -> CheckDefinition:
        """The definition that gives this check back."""
        return cls(
            **{field: getattr(check, field) for field in _SHARED_FIELDS},
            check_id=check.check_id,
            interval=check.interval_ns,
            timeout=check.timeout_ns,
            ttl=check.ttl_ns,
            deregister_critical_service_after=check.deregister_critical_service_after_ns,
        )


_SHARED_FIELDS: Final = tuple(
    name
    for name in CheckType.__struct_fields__
    if name in CheckDefinition.__struct_fields__ and name != "check_id"
)


_NO_CHECK: Final = CheckDefinition()


class WeightsDefinition(Row, frozen=True, kw_only=True):
    """DNS SRV weights; a weight that is left out is 0, unlike left-out weights as a whole."""

    passing: int = 0
    warning: int = 0


class ConnectDefinition(ServiceConnect, frozen=True, kw_only=True):
    """Mesh settings: native, or a sidecar to register along."""

    sidecar_service: ServiceDefinition | None = None


class ServiceDefinition(Row, frozen=True, kw_only=True):
    """A service with its checks; ``token`` is only for configuration files."""

    kind: str = ""
    id: str = ""
    name: str = ""
    tags: tuple[str, ...] | None = None
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    check: CheckDefinition | None = None
    checks: tuple[CheckDefinition, ...] | None = None
    weights: WeightsDefinition | None = None
    token: str = ""
    enable_tag_override: bool = False
    proxy: ConnectProxy | None = None
    connect: ConnectDefinition | None = None
    namespace: str = ""

    @property
    def check_types(self) -> tuple[CheckType, ...]:
        """The checks in order, those of ``checks`` first; an empty ``check`` is none."""
        single = () if self.check is None or self.check == _NO_CHECK else (self.check,)
        return tuple(check.check_type() for check in (*(self.checks or ()), *single))


ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "args": "ScriptArgs",
        **{
            name: go_name(name)
            for name in (
                "script_args",
                "deregister_critical_service_after",
                "docker_container_id",
                "tls_skip_verify",
                "tls_server_name",
                "grpc_use_tls",
                "service_id",
                "alias_node",
                "alias_service",
                "success_before_passing",
                "failures_before_warning",
                "failures_before_critical",
                "output_max_size",
                "disable_redirects",
                "tagged_addresses",
                "enable_tag_override",
                "sidecar_service",
                "destination_service_name",
                "destination_service_id",
                "local_service_address",
                "local_service_port",
                "destination_type",
                "destination_namespace",
                "destination_name",
                "local_bind_address",
                "local_bind_port",
                "local_bind_socket_path",
                "local_bind_socket_mode",
                "local_service_socket_path",
                "destination_partition",
                "destination_peer",
                "mesh_gateway",
                "transparent_proxy",
                "outbound_listener_port",
                "dialed_directly",
                "access_logs",
                "disable_listener_logs",
                "text_format",
                "envoy_extensions",
                "listener_port",
                "local_path_port",
                "parsed_from_check",
            )
        },
    }
)
"""The snake-case keys of request bodies. ``check_id`` is none of them, in Consul neither."""

_ROWS: Final[tuple[type[Row], ...]] = (
    CheckDefinition,
    WeightsDefinition,
    ConnectDefinition,
    ServiceDefinition,
    ServiceAddress,
    ConnectProxy,
    Upstream,
    MeshGateway,
    Expose,
    ExposePath,
    TransparentProxy,
    AccessLogs,
    EnvoyExtension,
)
_FILE_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **ALIASES,
        **{field.name: field.encode_name for row in _ROWS for field in msgspec.structs.fields(row)},
    }
)


def service_from_tree(tree: Mapping[str, Any]) -> ServiceDefinition:
    """A service of a configuration file. Raises BadDefinition."""
    try:
        return decode_value(tree, ServiceDefinition, aliases=_FILE_ALIASES)
    except DecodeFault as fault:
        message = f"service {tree.get('name', tree.get('id', ''))!r}: {_plain(fault)}"
        raise BadDefinition(message) from None


def check_from_tree(tree: Mapping[str, Any]) -> CheckDefinition:
    """A check of a configuration file. Raises BadDefinition."""
    try:
        return decode_value(tree, CheckDefinition, aliases=_FILE_ALIASES)
    except DecodeFault as fault:
        message = f"check {tree.get('name', tree.get('id', ''))!r}: {_plain(fault)}"
        raise BadDefinition(message) from None


def _plain(fault: DecodeFault) -> str:
    """A fault without Go's package name, which says nothing to who wrote a file."""
    return str(fault).removeprefix("json: ")
