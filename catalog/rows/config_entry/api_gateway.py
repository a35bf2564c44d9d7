"""api-gateway: listeners for clients outside the mesh, to which routes attach. Since 1.15."""

import re
from typing import Any, Final, Self

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted
from catalog.rows.config_entry.file_system_certificate import FILE_SYSTEM_CERTIFICATE
from catalog.rows.config_entry.inline_certificate import INLINE_CERTIFICATE
from catalog.rows.config_entry.service_intentions import JWTRequirement
from catalog.rows.config_entry.tls_settings import validate_tls
from catalog.schema import Omit, Row

API_GATEWAY: Final = "api-gateway"
PROTOCOLS: Final = ("http", "tcp")
CERTIFICATE_KINDS: Final = (INLINE_CERTIFICATE, FILE_SYSTEM_CERTIFICATE)
PORT_MAX: Final = 65535
"""The greatest port of TCP."""
LISTENER_NAME: Final = re.compile(
    r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
)


class CertificateReference(Row, frozen=True, kw_only=True):
    """An entry that holds a certificate."""

    kind: str = ""
    name: str = ""


class APIGatewayTLS(Row, frozen=True, kw_only=True):
    """Certificates to choose from by server name, and what is agreed on."""

    certificates: Omit[tuple[CertificateReference, ...] | None] = None
    max_version: Omit[str] = ""
    min_version: Omit[str] = ""
    cipher_suites: Omit[tuple[str, ...] | None] = None


class APIGatewayPolicy(Row, frozen=True, kw_only=True):
    """Tokens that requests must bring."""

    jwt: Omit[JWTRequirement | None] = msgspec.field(default=None, name="JWT")


class APIGatewayListener(Row, frozen=True, kw_only=True):
    """A port; ``hostname`` may have a wildcard as its leftmost label, empty takes all."""

    name: str = ""
    hostname: str = ""
    port: int = 0
    protocol: str = ""
    tls: APIGatewayTLS = APIGatewayTLS()
    override: Omit[APIGatewayPolicy | None] = None
    default: Omit[APIGatewayPolicy | None] = None


class APIGateway(Entry, frozen=True, kw_only=True, tag=API_GATEWAY):
    """The listeners of a gateway. ``status`` is what Consul tells of it: it is read past."""

    listeners: tuple[APIGatewayListener, ...] | None = None
    status: Omit[dict[str, Any] | None] = None

    @override
    def normalized(self) -> Self:
        listeners = self.listeners and tuple(
            msgspec.structs.replace(
                listener,
                protocol=listener.protocol.lower(),
                tls=msgspec.structs.replace(
                    listener.tls,
                    certificates=listener.tls.certificates
                    and tuple(
                        msgspec.structs.replace(each, kind=each.kind or INLINE_CERTIFICATE)
                        for each in listener.tls.certificates
                    ),
                ),
            )
            for listener in self.listeners
        )
        return msgspec.structs.replace(self, listeners=listeners, status=None)

    @override
    def validate(self) -> None:
        super().validate()
        names: set[str] = set()
        protocols: dict[int, str] = {}
        for listener in self.listeners or ():
            if listener.name in names:
                message = f"found multiple listeners with the name {quoted(listener.name)}"
                raise Invalid(message)
            names.add(listener.name)
            fault = _listener_fault(listener)
            if not fault and protocols.setdefault(listener.port, listener.protocol) != (
                listener.protocol
            ):
                fault = f"port {listener.port} is shared by listeners of different protocols"
            if fault:
                message = f"listener {quoted(listener.name)}: {fault}"
                raise Invalid(message)
            tls = listener.tls
            validate_tls(tls.min_version, tls.max_version, tls.cipher_suites)


def _listener_fault(listener: APIGatewayListener) -> str:
    if listener.name and not LISTENER_NAME.fullmatch(listener.name):
        return "the name must be lower case letters, digits, '-' and '.'"
    if not 0 < listener.port <= PORT_MAX:
        return f"port {listener.port} not in the range 1-{PORT_MAX}"
    if listener.protocol not in PROTOCOLS:
        return (
            f"unsupported listener protocol {quoted(listener.protocol)}, must be one of 'tcp', or "
            "'http'"
        )
    if "*" in listener.hostname.removeprefix("*."):
        return (
            f"host {quoted(listener.hostname)} is not valid, a wildcard specifier is only allowed "
            "as the left-most label"
        )
    for certificate in listener.tls.certificates or ():
        if certificate.kind not in CERTIFICATE_KINDS:
            kinds = " or ".join(f"'{kind}'" for kind in CERTIFICATE_KINDS)
            return f"unsupported certificate kind: {quoted(certificate.kind)}, must be {kinds}"
        if not certificate.name:
            return "certificate reference must have a name"
    return ""
