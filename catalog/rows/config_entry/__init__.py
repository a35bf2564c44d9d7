"""Config entries: one row type a kind, in one tagged union.

``decode_entry`` reads a request's body, ``normalize`` and ``validate`` prepare it for storage,
``entry_to_json`` shows it; ``encode`` and ``decode`` are the stored form (msgpack, tag ``Kind``).
"""

from typing import Any, Final, TypeAlias

import msgspec

from catalog.errors import BadRequest
from catalog.rows.config_entry.api_gateway import API_GATEWAY, APIGateway
from catalog.rows.config_entry.decode import decode_fields, decode_kind
from catalog.rows.config_entry.entry import Entry, go_numbers
from catalog.rows.config_entry.exported_services import EXPORTED_SERVICES, ExportedServices
from catalog.rows.config_entry.file_system_certificate import (
    FILE_SYSTEM_CERTIFICATE,
    FileSystemCertificate,
)
from catalog.rows.config_entry.http_route import HTTP_ROUTE, HTTPRoute
from catalog.rows.config_entry.ingress_gateway import INGRESS_GATEWAY, IngressGateway
from catalog.rows.config_entry.inline_certificate import INLINE_CERTIFICATE, InlineCertificate
from catalog.rows.config_entry.jwt_provider import JWT_PROVIDER, JWTProvider
from catalog.rows.config_entry.mesh import MESH, Mesh
from catalog.rows.config_entry.proxy_defaults import GLOBAL, PROXY_DEFAULTS, ProxyDefaults
from catalog.rows.config_entry.request_limit import REQUEST_LIMIT, RequestLimit
from catalog.rows.config_entry.sameness_group import SAMENESS_GROUP, SamenessGroup
from catalog.rows.config_entry.service_defaults import SERVICE_DEFAULTS, ServiceDefaults
from catalog.rows.config_entry.service_intentions import SERVICE_INTENTIONS, ServiceIntentions
from catalog.rows.config_entry.service_resolver import SERVICE_RESOLVER, ServiceResolver
from catalog.rows.config_entry.service_router import SERVICE_ROUTER, ServiceRouter
from catalog.rows.config_entry.service_splitter import SERVICE_SPLITTER, ServiceSplitter
from catalog.rows.config_entry.tcp_route import TCP_ROUTE, TCPRoute
from catalog.rows.config_entry.terminating_gateway import TERMINATING_GATEWAY, TerminatingGateway
from catalog.shape import to_json

__all__ = [
    "API_GATEWAY",
    "EXPORTED_SERVICES",
    "FILE_SYSTEM_CERTIFICATE",
    "GLOBAL",
    "HTTP_ROUTE",
    "INGRESS_GATEWAY",
    "INLINE_CERTIFICATE",
    "JWT_PROVIDER",
    "KINDS",
    "MESH",
    "PROXY_DEFAULTS",
    "REQUEST_LIMIT",
    "SAMENESS_GROUP",
    "SERVICE_DEFAULTS",
    "SERVICE_INTENTIONS",
    "SERVICE_RESOLVER",
    "SERVICE_ROUTER",
    "SERVICE_SPLITTER",
    "TCP_ROUTE",
    "TERMINATING_GATEWAY",
    "APIGateway",
    "ConfigEntry",
    "Entry",
    "ExportedServices",
    "FileSystemCertificate",
    "HTTPRoute",
    "IngressGateway",
    "InlineCertificate",
    "JWTProvider",
    "Mesh",
    "ProxyDefaults",
    "RequestLimit",
    "SamenessGroup",
    "ServiceDefaults",
    "ServiceIntentions",
    "ServiceResolver",
    "ServiceRouter",
    "ServiceSplitter",
    "TCPRoute",
    "TerminatingGateway",
    "check_kind",
    "decode",
    "decode_entry",
    "encode",
    "entry_to_json",
    "normalize",
    "validate",
]

ConfigEntry: TypeAlias = (
    ServiceDefaults
    | ProxyDefaults
    | ServiceRouter
    | ServiceSplitter
    | ServiceResolver
    | IngressGateway
    | TerminatingGateway
    | ServiceIntentions
    | Mesh
    | JWTProvider
    | ExportedServices
    | SamenessGroup
    | APIGateway
    | HTTPRoute
    | TCPRoute
    | InlineCertificate
    | FileSystemCertificate
    | RequestLimit
)

KINDS: Final[dict[str, type[ConfigEntry]]] = {
    SERVICE_DEFAULTS: ServiceDefaults,
    PROXY_DEFAULTS: ProxyDefaults,
    SERVICE_ROUTER: ServiceRouter,
    SERVICE_SPLITTER: ServiceSplitter,
    SERVICE_RESOLVER: ServiceResolver,
    INGRESS_GATEWAY: IngressGateway,
    TERMINATING_GATEWAY: TerminatingGateway,
    SERVICE_INTENTIONS: ServiceIntentions,
    MESH: Mesh,
    JWT_PROVIDER: JWTProvider,
    EXPORTED_SERVICES: ExportedServices,
    SAMENESS_GROUP: SamenessGroup,
    API_GATEWAY: APIGateway,
    HTTP_ROUTE: HTTPRoute,
    TCP_ROUTE: TCPRoute,
    INLINE_CERTIFICATE: InlineCertificate,
    FILE_SYSTEM_CERTIFICATE: FileSystemCertificate,
    REQUEST_LIMIT: RequestLimit,
}

_TRAILING: Final = ("Meta", "CreateIndex", "ModifyIndex")
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[ConfigEntry]] = msgspec.msgpack.Decoder(ConfigEntry)


def check_kind(kind: str) -> type[ConfigEntry]:
    """The row type of a kind. Raises BadRequest: ``invalid config entry kind: x``."""
    row = KINDS.get(kind)
    if row is None:
        raise BadRequest(f"invalid config entry kind: {kind}")
    return row


def decode_entry(body: object) -> ConfigEntry:
    """The entry of a request's parsed JSON. Raises BadRequest in Consul's words, no prefix."""
    row = check_kind(decode_kind(body))
    assert isinstance(body, dict)
    entry = decode_fields(body, row)
    assert isinstance(entry, row)
    return entry


def normalize(entry: ConfigEntry) -> ConfigEntry:
    """The entry as it is stored: defaults filled in, sources in the order of precedence."""
    return entry.normalized()


def validate(entry: ConfigEntry) -> None:
    """Raise Invalid if a normalized entry contradicts itself."""
    entry.validate()


def entry_to_json(entry: ConfigEntry) -> dict[str, Any]:
    """The API's shape: the kind and the name first, metadata and indexes last."""
    shown = go_numbers(to_json(entry))
    last = {name: shown.pop(name) for name in _TRAILING if name in shown}
    return {"Kind": entry.kind, **shown, **last}


def encode(entry: ConfigEntry) -> bytes:
    """The stored form."""
    return _encoder.encode(entry)


def decode(stored: bytes) -> ConfigEntry:
    """The entry of a stored form. Raises msgspec.DecodeError for anything else."""
    return _decoder.decode(stored)
