"""Checks of what proxy-defaults, service-defaults and upstreams say of proxies."""

import json
from typing import Final

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import quoted
from catalog.rows.config_entry.ranges import Range, validate_ranges
from catalog.rows.service import (
    AccessLogs,
    EnvoyExtension,
    Expose,
    MeshGateway,
    TransparentProxy,
)

PROXY_MODES: Final = ("", "direct", "transparent")
MUTUAL_TLS_MODES: Final = ("", "strict", "permissive")
PERMISSIVE: Final = "permissive"
MESH_GATEWAY_MODES: Final = ("", "none", "local", "remote")
EXPOSE_PROTOCOLS: Final = ("", "http", "http2")
FILE: Final = "file"
LOG_TYPES: Final = ("", "stdout", "stderr", FILE)
PORT_MAX: Final = 65535
"""The greatest port of TCP."""


def validate_modes(
    mode: str = "",
    mutual_tls: str = "",
    mesh_gateway: MeshGateway | None = None,
    transparent: TransparentProxy | None = None,
) -> None:
    """Raise Invalid for a mode that is none, and for a port out of range."""
    gateway = mesh_gateway.mode if mesh_gateway else ""
    for field, value, allowed in (
        ("Mode", mode, PROXY_MODES),
        ("MutualTLSMode", mutual_tls, MUTUAL_TLS_MODES),
        ("MeshGateway.Mode", gateway, MESH_GATEWAY_MODES),
    ):
        if value not in allowed:
            message = f"{field} must be one of {', '.join(allowed[1:])}, not {quoted(value)}"
            raise Invalid(message)
    if transparent is not None and not 0 <= transparent.outbound_listener_port <= PORT_MAX:
        message = f"TransparentProxy.OutboundListenerPort must be between 0 and {PORT_MAX}"
        raise Invalid(message)


def validate_expose(expose: Expose) -> None:
    """Raise Invalid for a path or a port that no proxy could serve."""
    for number, path in enumerate(expose.paths or ()):
        place = f"Expose.Paths[{number}]"
        fault = ""
        if not path.path.startswith("/"):
            fault = f"Path doesn't start with '/': {quoted(path.path)}"
        elif path.protocol.lower() not in EXPOSE_PROTOCOLS:
            fault = f"Protocol must be http or http2, not {quoted(path.protocol)}"
        if fault:
            message = f"{place}.{fault}"
            raise Invalid(message)
        validate_ranges(
            f"{place}.",
            Range("ListenerPort", path.listener_port, maximum=PORT_MAX),
            Range("LocalPathPort", path.local_path_port, maximum=PORT_MAX),
        )


def validate_access_logs(logs: AccessLogs | None) -> None:
    """Raise Invalid for a type, path or format that does not fit the others."""
    if logs is None:
        return
    fault = ""
    if logs.type not in LOG_TYPES:
        fault = f"Type must be one of {', '.join(LOG_TYPES[1:])}, not {quoted(logs.type)}"
    elif logs.type == FILE and not logs.path:
        fault = "Path must be set when using file type access logs"
    elif logs.path and logs.type != FILE:
        fault = "Path is only valid for file type access logs"
    elif logs.json_format and logs.text_format:
        fault = "JSONFormat and TextFormat cannot both be set"
    elif logs.json_format:
        try:
            json.loads(logs.json_format)
        except ValueError as error:
            fault = f"JSONFormat is no JSON: {error}"
    if fault:
        message = f"AccessLogs: {fault}"
        raise Invalid(message)


def validate_extensions(extensions: tuple[EnvoyExtension, ...] | None) -> None:
    """Raise Invalid for an extension without a name."""
    for number, extension in enumerate(extensions or ()):
        if not extension.name:
            message = f"invalid EnvoyExtensions[{number}]: Name is required"
            raise Invalid(message)
