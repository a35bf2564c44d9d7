"""The builtin provider of a secondary datacenter: leaves are signed by an intermediate of its own.

All datacenters of a mesh trust the roots of the primary one. A secondary makes a key, has the
primary certify it, and signs with it, also while the primary cannot be reached.
Source: Consul, CA in multiple datacenters.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from cryptography import x509
from msgspec.structs import replace
from typing_extensions import override

from agent.connect import certificates
from agent.connect.builtin import run, sign_leaf
from agent.connect.certificates import Issuer, Names
from agent.connect.keys import generate, to_pem
from agent.connect.provider import Asked, NewRoot, Provider, with_intermediate
from agent.connect.requests import make_request
from agent.connect.settings import AuthoritySettings
from agent.connect.spiffe import AuthorityIdentity, intermediate_common_name
from agent.rpc.endpoints.connect import CARootsGet, CASignIntermediate
from agent.rpc.request import Reply, Request
from catalog.errors import Invalid
from catalog.rows.connect import CARoots, CASigner, trust_domain


class Primary(Protocol):
    """The primary datacenter. Everything may raise CatalogError or RpcError."""

    async def roots(self) -> CARoots:
        """Its roots, of which one is active."""

    async def sign_intermediate(self, request_pem: str) -> str:
        """A certificate for an intermediate below its active root, as PEM."""


class RemotePrimary(Primary):
    """The primary datacenter over the connection between datacenters."""

    def __init__(self, call: Callable[[Request], Awaitable[Reply]], datacenter: str) -> None:
        self._call = call
        self._datacenter = datacenter

    @override
    async def roots(self) -> CARoots:
        roots = (await self._call(CARootsGet(datacenter=self._datacenter))).value
        assert isinstance(roots, CARoots)
        if not roots.active_root_id:
            raise Invalid("the primary datacenter has no root certificate yet")
        return roots

    @override
    async def sign_intermediate(self, request_pem: str) -> str:
        request = CASignIntermediate(datacenter=self._datacenter, request=request_pem)
        return str((await self._call(request)).value)


class Secondary(Provider):
    """See the module. ``issuer`` is the present intermediate with its key, if there is one."""

    def __init__(
        self,
        settings: AuthoritySettings,
        primary: Primary,
        issuer: Issuer | None,
        new_uuid: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._primary = primary
        self._issuer = issuer
        self._new_uuid = new_uuid

    @override
    async def make_root(self) -> NewRoot:
        roots = await self._primary.roots()
        (active,) = (root for root in roots.roots if root.active)
        kind, cluster_id = self._settings.key_kind, active.external_trust_domain
        key = await run(lambda: generate(kind), slow=kind.is_slow)
        names = Names(uri=AuthorityIdentity(trust_domain=trust_domain(cluster_id)).uri)
        name = intermediate_common_name(cluster_id, self._new_uuid())
        pem = await self._primary.sign_intermediate(make_request(key, names, name))
        certificate, above = map(certificates.parse_certificate, (pem, active.root_cert))
        if not certificates.is_issued_by(certificate, above):
            raise Invalid("the primary datacenter changed its root meanwhile, try again")
        root = with_intermediate(replace(active, create_index=0, modify_index=0), pem)
        return NewRoot(root, CASigner(root_id=root.id, private_key=to_pem(key)))

    @override
    async def cross_sign(self, root: x509.Certificate) -> str:
        raise Invalid("roots are signed in the primary datacenter")

    @override
    async def sign(self, asked: Asked) -> str:
        if self._issuer is None:
            raise Invalid("the key of the intermediate certificate is not known here")
        # Drawn, not counted: another datacenter counts too, and serial numbers are revoked.
        return await sign_leaf(asked, self._issuer, x509.random_serial_number())

    @override
    async def sign_intermediate(self, request_pem: str) -> str:
        raise Invalid("intermediates are signed in the primary datacenter")

    @override
    async def renew_intermediate(self) -> NewRoot | None:
        return await self.make_root()

    @override
    async def keep_access(self) -> None:
        """Nothing: the key is at hand."""
