"""The builtin provider: keys in the replicated state, leaves signed by the root itself.

Keys of RSA are made and used on a worker thread, since they take long.
Source: Consul, built-in CA (https://developer.hashicorp.com/consul/docs/connect/ca/consul).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

from cryptography import x509
from typing_extensions import override

from agent.connect import certificates
from agent.connect.certificates import Issuer, Life, Names, Subject
from agent.connect.keys import BadKey, PrivateKey, from_pem, generate, kind_of, to_pem
from agent.connect.provider import Asked, NewRoot, Provider, root_row
from agent.connect.settings import HIDDEN, AuthoritySettings
from agent.connect.signing import authority_request
from agent.connect.spiffe import AuthorityIdentity, intermediate_common_name, root_common_name
from catalog.duration import SECOND
from catalog.errors import Invalid
from catalog.rows.connect import CASigner, trust_domain

NAME: Final = "Consul"

T = TypeVar("T")


class Surroundings(NamedTuple):
    """What the leader lends: serial numbers that nobody else has, the wall clock, unique texts."""

    take_serial: Callable[[], Awaitable[int]]
    now_s: Callable[[], float]
    new_uuid: Callable[[], str]


class Builtin(Provider):
    """See the module. ``issuer`` is the present root with its key, if there is one."""

    def __init__(
        self,
        settings: AuthoritySettings,
        cluster_id: str,
        issuer: Issuer | None,
        surroundings: Surroundings,
    ) -> None:
        self._settings = settings
        self._cluster_id = cluster_id
        self._issuer = issuer
        self._around = surroundings

    @override
    async def make_root(self) -> NewRoot:
        key = await self._key()
        given = self._settings.root_cert
        pem = given.strip() + "\n" if given else await self._self_signed(key)
        if given:
            _check_root(pem, key)
        root = root_row(pem, NAME, self._cluster_id)
        return NewRoot(root, CASigner(root_id=root.id, private_key=to_pem(key)))

    async def _key(self) -> PrivateKey:
        if self._settings.private_key == HIDDEN and self._issuer is not None:
            return self._issuer.key
        if self._settings.private_key:
            return from_user(self._settings.private_key)
        kind = self._settings.key_kind
        return await run(lambda: generate(kind), slow=kind.is_slow)

    async def _self_signed(self, key: PrivateKey) -> str:
        around = self._around
        names = Names(uri=AuthorityIdentity(trust_domain=trust_domain(self._cluster_id)).uri)
        name = root_common_name(self._cluster_id, around.new_uuid())
        subject = Subject(names, name, key.public_key())
        serial = await around.take_serial()
        life = Life(around.now_s(), self._settings.root_cert_ttl_ns / SECOND)
        slow = kind_of(key).is_slow
        return await run(lambda: certificates.make_root(key, subject, serial, life), slow=slow)

    @override
    async def cross_sign(self, root: x509.Certificate) -> str:
        issuer = self._present()
        if self._settings.disable_cross_signing:
            raise Invalid(
                "The current CA Provider does not support cross-signing. You can try again "
                "with ForceWithoutCrossSigningSet but this may cause disruption - see "
                "documentation for more."
            )
        serial, now_s = await self._around.take_serial(), self._around.now_s()
        return await run(
            lambda: certificates.cross_sign(root, issuer, serial, now_s),
            slow=kind_of(issuer.key).is_slow,
        )

    @override
    async def sign(self, asked: Asked) -> str:
        return await sign_leaf(asked, self._present(), await self._around.take_serial())

    @override
    async def sign_intermediate(self, request_pem: str) -> str:
        issuer, serial = self._present(), await self._around.take_serial()
        request = authority_request(request_pem, trust_domain(self._cluster_id))
        name = intermediate_common_name(self._cluster_id, self._around.new_uuid())
        subject = Subject(request.names, name, request.public_key)
        life = Life(self._around.now_s(), self._settings.intermediate_cert_ttl_ns / SECOND)
        return await run(
            lambda: certificates.make_intermediate(subject, issuer, serial, life),
            slow=kind_of(issuer.key).is_slow,
        )

    @override
    async def renew_intermediate(self) -> NewRoot | None:
        return None

    @override
    async def keep_access(self) -> None:
        """Nothing: the keys are at hand."""

    def _present(self) -> Issuer:
        if self._issuer is None:
            raise Invalid("the key of the present root certificate is not known here")
        return self._issuer


def from_user(pem: str) -> PrivateKey:
    """The key that a user gives. Raises Invalid, without the key in the text."""
    try:
        return from_pem(pem)
    except BadKey as error:
        raise Invalid(f"could not initialize provider: {error}") from None


def _check_root(pem: str, key: PrivateKey) -> None:
    try:
        certificate = certificates.parse_certificate(pem)
        fits = certificates.belongs(certificate, key)
    except ValueError:
        raise Invalid("error parsing root cert: not a PEM certificate") from None
    if not fits:
        raise Invalid("RootCert does not belong to PrivateKey")


async def sign_leaf(asked: Asked, issuer: Issuer, serial: int) -> str:
    """A leaf that a key at hand signs, as PEM."""
    return await run(
        lambda: certificates.make_leaf(asked.subject, issuer, serial, asked.life),
        slow=kind_of(issuer.key).is_slow,
    )


async def run(work: Callable[[], T], *, slow: bool) -> T:
    """The result of work with a key, on a thread if it takes long."""
    return await asyncio.to_thread(work) if slow else work()
