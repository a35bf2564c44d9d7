"""The mesh's certificate authority. Source: Consul API, /v1/connect/ca."""

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from agent.rpc.endpoints.intention import IntentionCheck
from agent.rpc.endpoints.intention import check as check_intention
from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import ServerContext
from catalog import commands
from catalog.errors import BadRequest, Invalid
from catalog.intentions import Decision
from catalog.queries import connect as queries
from catalog.read import Read
from catalog.rows.connect import (
    CAConfiguration,
    CALeaf,
    CARevocation,
    CARoots,
    IssuedCertificate,
    serial_of,
    service_uri,
    trust_domain,
)
from catalog.tables import CA_CONFIGURATION, CA_LEAVES

if TYPE_CHECKING:
    from agent.connect.authority import Authority

DISABLED: Final = "Connect must be enabled in order to use this endpoint"
REASON_CHARACTERS_MAX: Final = 512  # as much as a description of an intention
LIFE_S_MAX: Final = 366 * 86400.0  # no leaf lives longer, whatever the settings were then


class CARootsGet(ReadRequest, frozen=True, kw_only=True):
    """The roots that the mesh trusts."""


class CAConfigurationGet(ReadRequest, frozen=True, kw_only=True):
    """The authority's configuration, without private keys."""


class CAConfigurationSet(WriteRequest, frozen=True, kw_only=True):
    """Another configuration of the authority; the reply is None."""

    configuration: CAConfiguration


class CASign(WriteRequest, frozen=True, kw_only=True):
    """A signing request (PEM) of an agent; the reply is an IssuedCertificate without key."""

    request: str


class CARevoke(WriteRequest, frozen=True, kw_only=True):
    """Leaves are refused from now on; the reply is a tuple of CARevocation.

    One, by its serial number, or all that live of a service of this datacenter.
    """

    serial: str = ""
    service: str = ""
    reason: str = ""


class CALeavesGet(ReadRequest, frozen=True, kw_only=True):
    """The leaves that were signed and have not ended, in the order of their signing."""


class CARotate(WriteRequest, frozen=True, kw_only=True):
    """Another root becomes the active one, with the same settings; the reply is None."""


class CARevocationsGet(ReadRequest, frozen=True, kw_only=True):
    """The leaves that are refused, in the order of their revocation."""


class CASignIntermediate(WriteRequest, frozen=True, kw_only=True):
    """A request (PEM) of another datacenter for its intermediate; the reply is the certificate."""

    request: str


class ConnectAuthorize(ReadRequest, frozen=True, kw_only=True):
    """Whether a client of a trust domain may connect to a service; the reply is a Decision.

    ``serial``: that of the client's leaf; empty, or a text that is none, is nobody's.
    """

    trust_domain: str
    source: str
    destination: str
    serial: str = ""


def _authority(server: ServerContext) -> "Authority":
    if server.authority is None:
        raise Invalid(DISABLED)
    return server.authority


def get_roots(read: Read, _request: CARootsGet, server: ServerContext) -> CARoots:
    """See CARootsGet."""
    _authority(server)
    return queries.roots(read)


def get_configuration(
    read: Read, _request: CAConfigurationGet, server: ServerContext
) -> CAConfiguration:
    """See CAConfigurationGet."""
    _authority(server)
    found = queries.configuration(read)
    if found is None:
        raise Invalid("CA not initialized yet")
    return replace(found, secrets=None)


async def set_configuration(server: ServerContext, request: CAConfigurationSet) -> None:
    """See CAConfigurationSet."""
    await _authority(server).configure(request.configuration)


async def sign(server: ServerContext, request: CASign) -> IssuedCertificate:
    """See CASign."""
    return await _authority(server).sign(request.request)


async def sign_intermediate(server: ServerContext, request: CASignIntermediate) -> str:
    """See CASignIntermediate."""
    return await _authority(server).sign_intermediate(request.request)


async def rotate(server: ServerContext, _request: CARotate) -> None:
    """See CARotate. Raises BadRequest if the settings have a root of their own."""
    await _authority(server).rotate()


def revoke(server: ServerContext, request: CARevoke) -> commands.CARevoke:
    """See CARevoke. Raises BadRequest for a text that is no serial number, or nothing to revoke."""
    _authority(server)
    if len(request.reason) > REASON_CHARACTERS_MAX:
        message = f"reason is longer than {REASON_CHARACTERS_MAX} characters"
        raise BadRequest(message)
    leaves = _leaves_of(server, request.service) if request.service else [_leaf(server, request)]
    now_s = server.now_s()
    return commands.CARevoke(
        revocations=tuple(
            CARevocation(
                serial=leaf.serial,
                uri=leaf.uri,
                reason=request.reason,
                revoked_at_s=now_s,
                expires_at_s=leaf.expires_at_s,
            )
            for leaf in leaves
        )
    )


def _leaf(server: ServerContext, request: CARevoke) -> CALeaf:
    try:
        serial = serial_of(request.serial)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    known = server.store.get(CA_LEAVES, serial)
    # One that was signed elsewhere, or before leaves were noted, ends at some time.
    unknown = CALeaf(serial=serial, uri="", root_id="", expires_at_s=server.now_s() + LIFE_S_MAX)
    return known or unknown


def _leaves_of(server: ServerContext, service: str) -> list[CALeaf]:
    configuration = server.store.get(CA_CONFIGURATION, "")
    domain = trust_domain(configuration.cluster_id) if configuration else ""
    uri = service_uri(domain, server.datacenter, service)
    found = server.store.find(CA_LEAVES, "uri", uri)
    if not found:
        message = f"no leaf certificate of service {service!r} is known"
        raise BadRequest(message)
    return found


def get_leaves(read: Read, _request: CALeavesGet, server: ServerContext) -> list[CALeaf]:
    """See CALeavesGet."""
    _authority(server)
    return queries.leaves(read)


def get_revocations(
    read: Read, _request: CARevocationsGet, server: ServerContext
) -> tuple[CARevocation, ...]:
    """See CARevocationsGet."""
    _authority(server)
    return queries.revocations(read)


def authorize(read: Read, request: ConnectAuthorize, server: ServerContext) -> Decision:
    """See ConnectAuthorize. A certificate of another mesh is good for nothing here."""
    _authority(server)
    ours = queries.roots(read).trust_domain
    if request.trust_domain != ours:
        reason = f"Identity from an external trust domain: {request.trust_domain}"
        return Decision(allowed=False, reason=reason)
    if request.serial and _is_revoked(read, request.serial):
        reason = f"Certificate is revoked: serial number {request.serial}"
        return Decision(allowed=False, reason=reason)
    check = IntentionCheck(source=request.source, destination=request.destination)
    return check_intention(read, check, server)


def _is_revoked(read: Read, text: str) -> bool:
    try:
        return queries.is_revoked(read, serial_of(text))
    except ValueError:
        return False
