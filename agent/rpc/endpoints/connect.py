"""The mesh's certificate authority. Source: Consul API, /v1/connect/ca."""

from typing import TYPE_CHECKING, Final

from agent.rpc.endpoints.intention import IntentionCheck
from agent.rpc.endpoints.intention import check as check_intention
from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import ServerContext
from catalog.errors import Invalid
from catalog.intentions import Decision
from catalog.queries import connect as queries
from catalog.read import Read
from catalog.rows.connect import CAConfiguration, CARoots, IssuedCertificate

if TYPE_CHECKING:
    from agent.connect.authority import Authority

DISABLED: Final = "Connect must be enabled in order to use this endpoint"


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


class ConnectAuthorize(ReadRequest, frozen=True, kw_only=True):
    """Whether a client of a trust domain may connect to a service; the reply is a Decision."""

    trust_domain: str
    source: str
    destination: str


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
    return found


async def set_configuration(server: ServerContext, request: CAConfigurationSet) -> None:
    """See CAConfigurationSet."""
    await _authority(server).configure(request.configuration)


async def sign(server: ServerContext, request: CASign) -> IssuedCertificate:
    """See CASign."""
    return await _authority(server).sign(request.request)


def authorize(read: Read, request: ConnectAuthorize, server: ServerContext) -> Decision:
    """See ConnectAuthorize. A certificate of another mesh is good for nothing here."""
    _authority(server)
    ours = queries.roots(read).trust_domain
    if request.trust_domain != ours:
        reason = f"Identity from an external trust domain: {request.trust_domain}"
        return Decision(allowed=False, reason=reason)
    check = IntentionCheck(source=request.source, destination=request.destination)
    return check_intention(read, check, server)
