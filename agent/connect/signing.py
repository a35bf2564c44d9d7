"""The way of a signing request through the authority: whose it is, whether now, and the answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, assert_never

from msgspec.structs import replace

from agent.clock import monotonic_s
from agent.connect import certificates
from agent.connect.certificates import Subject
from agent.connect.limits import RateLimited
from agent.connect.requests import BadSigningRequest, SigningRequest, parse_request
from agent.connect.settings import AuthoritySettings
from agent.connect.spiffe import (
    AgentIdentity,
    AuthorityIdentity,
    BadIdentity,
    MemberIdentity,
    MeshGatewayIdentity,
    ServiceIdentity,
    leaf_common_name,
    parse_identity,
)
from catalog.errors import Invalid
from catalog.rows.connect import CALeaf, CARoot, IssuedCertificate

SIGNING_WAIT_S_MAX: Final = 0.5  # a request that would wait longer is told to come back later
MESH_GATEWAY: Final = "mesh-gateway"


class Applicant(NamedTuple):
    """Who asks, and what the certificate will be about."""

    identity: MemberIdentity
    subject: Subject


def applicant_of(request_pem: str, trust_domain: str, datacenter: str) -> Applicant:
    """Who asks for a certificate. Raises Invalid unless they are of this mesh and datacenter."""
    try:
        request = parse_request(request_pem)
        identity = parse_identity(request.names.uri)
    except (BadSigningRequest, BadIdentity) as error:
        raise Invalid(str(error)) from None
    if isinstance(identity, AuthorityIdentity):
        raise Invalid("SPIFFE ID in CSR must be a service, mesh-gateway, or agent ID")
    if identity.trust_domain != trust_domain:
        raise Invalid(
            "SPIFFE ID in CSR from a different trust domain: "
            f"{identity.trust_domain}, we are {trust_domain}"
        )
    if identity.datacenter != datacenter:
        raise Invalid(
            "SPIFFE ID in CSR from a different datacenter: "
            f"{identity.datacenter}, we are {datacenter}"
        )
    subject = Subject(request.names, leaf_common_name(identity), request.public_key)
    return Applicant(identity, subject)


def authority_request(request_pem: str, trust_domain: str) -> SigningRequest:
    """What another datacenter of the same mesh asks for its intermediate. Raises Invalid."""
    try:
        request = parse_request(request_pem)
        identity = parse_identity(request.names.uri)
    except (BadSigningRequest, BadIdentity) as error:
        raise Invalid(str(error)) from None
    if identity != AuthorityIdentity(trust_domain=trust_domain):
        raise Invalid("SPIFFE ID in CSR must be the ID of this trust domain")
    return request


def issued(pem: str, applicant: Applicant, root: CARoot, index: int) -> IssuedCertificate:
    """The answer to an applicant: the leaf with what leads from it to older roots, in order."""
    leaf = certificates.parse_certificate(pem)
    # A row has the way to older roots first; in a handshake, each is signed by the next.
    above = reversed(root.intermediate_certs or ())
    answer = IssuedCertificate(
        serial_number=certificates.serial_text(leaf.serial_number),
        cert_pem=certificates.chained((pem, *above)),
        valid_after=certificates.rfc3339(leaf.not_valid_before_utc),
        valid_before=certificates.rfc3339(leaf.not_valid_after_utc),
        create_index=index,
        modify_index=index,
    )
    match applicant.identity:
        case ServiceIdentity(service=service, uri=uri):
            return replace(answer, service=service, service_uri=uri)
        case AgentIdentity(node=node, uri=uri):
            return replace(answer, agent=node, agent_uri=uri)
        case MeshGatewayIdentity(uri=uri):
            return replace(answer, kind=MESH_GATEWAY, kind_uri=uri)
        case _:
            assert_never(applicant.identity)


def leaf_row(pem: str, applicant: Applicant, root: CARoot) -> CALeaf:
    """What is noted of a leaf that was signed."""
    leaf = certificates.parse_certificate(pem)
    return CALeaf(
        serial=certificates.serial_text(leaf.serial_number),
        uri=applicant.identity.uri,
        root_id=root.id,
        expires_at_s=leaf.not_valid_after_utc.timestamp(),
    )


class Pace:
    """How many requests are signed in a second, and how many at a time; 0 means no limit."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._running = 0
        self._ended = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, settings: AuthoritySettings) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises RateLimited rather than wait for long."""
        await self._slot(settings.csr_max_per_second)
        await self._room(settings.csr_max_concurrent)
        self._running += 1  # no await since there was room
        try:
            yield
        finally:
            self._running -= 1
            async with self._ended:
                self._ended.notify()

    async def _slot(self, per_second_max: float) -> None:
        if per_second_max <= 0:
            return
        now_s = monotonic_s()
        due_s = max(now_s, self._next_s)
        if due_s - now_s > SIGNING_WAIT_S_MAX:
            raise RateLimited
        self._next_s = due_s + 1 / per_second_max
        await asyncio.sleep(due_s - now_s)

    async def _room(self, concurrent_max: int) -> None:
        if concurrent_max <= 0:
            return
        try:
            async with asyncio.timeout(SIGNING_WAIT_S_MAX), self._ended:
                await self._ended.wait_for(lambda: self._running < concurrent_max)
        except TimeoutError:
            raise RateLimited from None
