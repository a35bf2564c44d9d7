"""The certificate authority of the servers: configuration, rotation of roots, signing.

What it knows is in the replicated state; this is only the work of the leader on it. Who holds the
keys is the provider: agent.connect.builtin, or agent.connect.vault.
Source: Consul, CA management (https://developer.hashicorp.com/consul/docs/connect/ca).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import structlog
from msgspec.structs import replace

from agent.connect import certificates
from agent.connect.builtin import Builtin, Surroundings, from_user
from agent.connect.certificates import Issuer, Life
from agent.connect.keys import from_pem, to_pem
from agent.connect.provider import (
    Asked,
    NewRoot,
    Provider,
    crossings,
    signing_intermediate,
    with_crossings,
)
from agent.connect.secondary import Primary, Secondary
from agent.connect.secret import hide, reveal
from agent.connect.settings import (
    BUILTIN,
    HIDDEN,
    VAULT,
    AuthoritySettings,
    canonical,
    read_settings,
)
from agent.connect.signing import Pace, applicant_of, issued, leaf_row
from catalog.commands import CAConfigure, CALeafIssued, CAPrune, CASerialTake, Command, encode
from catalog.duration import SECOND
from catalog.errors import BadRequest, CatalogError, Invalid
from catalog.rows.connect import (
    CAConfiguration,
    CARoot,
    IssuedCertificate,
    trust_domain,
)
from catalog.store import Store
from catalog.tables import CA_CONFIGURATION, CA_LEAVES, CA_REVOCATIONS, CA_ROOTS, CA_SIGNERS

PROVIDERS: Final = (BUILTIN, VAULT)
ROOTS_MAX: Final = 64  # every peer trusts them all; old ones go after two lives of a leaf

_log = structlog.get_logger("agent.connect")


class Log(Protocol):
    """The replicated log, as far as the authority needs it."""

    async def propose(self, command: bytes) -> tuple[int, object]:
        """Propose a command and wait: its index and result. Raises RaftError."""


class Left(NamedTuple):
    """Seconds until certificates end."""

    root_s: float
    signing_s: float


class Authority:
    """See the module. ``now_s`` is the wall clock, ``new_uuid`` draws ids.

    ``primary``: the datacenter that has the roots, if it is another one.
    """

    def __init__(
        self,
        *,
        store: Store,
        log: Log,
        datacenter: str,
        now_s: Callable[[], float],
        new_uuid: Callable[[], str],
        primary: Primary | None = None,
    ) -> None:
        self._store = store
        self._log = log
        self._datacenter = datacenter
        self.now_s = now_s
        self._new_uuid = new_uuid
        self._primary = primary
        self._first: CAConfiguration | None = None
        self._configuring = asyncio.Lock()
        self._pace = Pace()
        # The provider of a configuration and a root: a login, or a key that was parsed once.
        self._present: tuple[tuple[int, str], Provider] | None = None

    async def start(self, provider: str, config: Mapping[str, Any]) -> None:
        """Make the first root, unless there is one. What stands against it is logged.

        In a secondary datacenter the upkeep makes it.
        """
        self._first = CAConfiguration(provider=provider, config=dict(config))
        if self._primary is not None:
            return  # other duties of the leader do not wait for another datacenter
        try:
            await self.begin()
        except CatalogError as error:
            # The rest of the server is of use without the mesh.
            _log.error("certificate authority not started", error=str(error))

    async def begin(self) -> None:
        """Make the first root, if it was asked for and is not there. Raises CatalogError, RpcError.

        The provider, or the primary datacenter, may not have been reached before.
        """
        if self._first is not None and self.configuration() is None:
            await self.configure(self._first)

    @property
    def is_secondary(self) -> bool:
        """Whether the roots are those of another datacenter."""
        return self._primary is not None

    async def follow_primary(self) -> None:
        """Have an intermediate below the primary datacenter's active root, if that has changed.

        Raises CatalogError or RpcError.
        """
        active = self.active_root()
        if self._primary is None or active is None:
            return
        if (await self._primary.roots()).active_root_id == active.id:
            return
        async with self._configuring:
            present, made = self.configuration(), await self.provider().make_root()
            assert present is not None
            cluster_id = made.root.external_trust_domain
            await self.store(replace(present, cluster_id=cluster_id), present, made)

    # State.

    def configuration(self) -> CAConfiguration | None:
        """The configuration that is stored; None before the first one."""
        return self._store.get(CA_CONFIGURATION, "")

    def active_root(self) -> CARoot | None:
        """The root under which leaves are signed; None before the first one."""
        return next((root for root in self._store.all(CA_ROOTS) if root.active), None)

    def settings(self) -> AuthoritySettings:
        """The settings in use; only with a configuration."""
        configuration = self.configuration()
        assert configuration is not None
        return read_settings(configuration.config)

    def provider(self) -> Provider:
        """Who holds the key of the active root. Raises Invalid before there is one."""
        configuration, active = self.configuration(), self.active_root()
        if active is None or configuration is None:
            raise Invalid("internal error: CA provider is nil")
        key = (configuration.modify_index, active.id)
        if self._present is None or self._present[0] != key:
            config = reveal(configuration.config, configuration.secrets or {})
            made = self._make_provider(configuration, config, active)
            self._present = (key, made)
        return self._present[1]

    def expires_in_s(self) -> Left | None:
        """What is left of the active root and of what signs; None before the first root."""
        active = self.active_root()
        if active is None:
            return None
        ends_s = [
            certificates.parse_certificate(pem).not_valid_after_utc.timestamp() - self.now_s()
            for pem in (active.root_cert, signing_intermediate(active) or active.root_cert)
        ]
        return Left(*ends_s)

    def _make_provider(
        self, configuration: CAConfiguration, config: Mapping[str, Any], active: CARoot | None
    ) -> Provider:
        settings = read_settings(config)
        around = Surroundings(self._take_serial, self.now_s, self._new_uuid)
        issuer = self._issuer(active) if active else None
        if self._primary is not None:
            return Secondary(settings, self._primary, issuer, self._new_uuid)
        if configuration.provider == BUILTIN:
            return Builtin(settings, configuration.cluster_id, issuer, around)
        # Most servers never talk to Vault.
        from agent.connect.vault import Place, Vault
        from agent.connect.vault_client import VaultClient
        from agent.connect.vault_settings import read_vault_settings

        vault = read_vault_settings(config)
        place = Place(configuration.cluster_id, self.now_s, self._new_uuid)
        return Vault(settings, vault, VaultClient(vault, self.now_s), place, active)

    def _issuer(self, root: CARoot) -> Issuer | None:
        signer = self._store.get(CA_SIGNERS, root.id)
        if signer is None:
            return None
        pem = signing_intermediate(root) or root.root_cert
        certificate, key = certificates.parse_certificate(pem), from_pem(signer.private_key)
        # A key of before this datacenter had a primary one, or of another provider.
        return Issuer(certificate, key) if certificates.belongs(certificate, key) else None

    # Configuration and rotation.

    async def configure(self, wanted: CAConfiguration) -> None:
        """Use another configuration; a change of the key makes a new root. Raises Invalid."""
        async with self._configuring:
            await self._configure(wanted)

    async def _configure(self, wanted: CAConfiguration) -> None:
        present = self.configuration()
        if wanted.provider not in PROVIDERS:
            message = f'could not initialize provider: unknown CA provider "{wanted.provider}"'
            raise Invalid(message)
        if wanted.state and wanted.state != (present.state if present else None):
            raise BadRequest("Bad request: CA Provider State is read-only")
        config = canonical(wanted.config)
        if self._primary is not None:
            _refuse_roots(wanted.provider, config)
            cluster_id = (await self._primary.roots()).trust_domain.removesuffix(".consul")
        else:
            cluster_id = present.cluster_id if present else self._new_cluster_id(config)
        shown, secrets = hide(config, (present.secrets if present else None) or {})
        config = reveal(shown, secrets)
        if config.get("PrivateKey"):
            shown["PrivateKey"] = HIDDEN
        stored = replace(
            wanted, config=shown, cluster_id=cluster_id, state=None, secrets=secrets or None
        )
        made = None
        if self._needs_root(stored.provider, read_settings(config), present):
            provider = self._make_provider(stored, config, self.active_root())
            made = await provider.make_root()
            made = await self._crossed(made, force=wanted.force_without_cross_signing)
        if made is not None and _same_root(made.root, self.active_root()):
            made = None
        if made is None and present is not None and _same(stored, present):
            return
        await self.store(stored, present, made)

    async def store(
        self, configuration: CAConfiguration, present: CAConfiguration | None, made: NewRoot | None
    ) -> None:
        """Have a configuration in use instead of the present one, and a new root if there is one.

        Raises Conflict when somebody else was faster, and BadRequest for too many roots.
        """
        is_new = made is not None and self._store.get(CA_ROOTS, made.root.id) is None
        if is_new and self._store.count(CA_ROOTS) >= ROOTS_MAX:
            message = f"there are {ROOTS_MAX} root certificates that leaves may chain to, try later"
            raise BadRequest(message)
        await self._propose(
            CAConfigure(
                configuration=configuration,
                expected_index=present.modify_index if present else 0,
                root=made.root if made else None,
                signer=made.signer if made else None,
                now_s=self.now_s(),
            )
        )
        if made is not None:
            _log.info("root certificate in use", root=made.root.id)

    def _new_cluster_id(self, config: dict[str, Any]) -> str:
        given = config.pop("cluster_id", "")
        return given if isinstance(given, str) and given else self._new_uuid()

    def _needs_root(
        self, provider: str, settings: AuthoritySettings, present: CAConfiguration | None
    ) -> bool:
        active = self.active_root()
        if present is None or active is None or provider != present.provider:
            return True
        if provider != BUILTIN:
            return True  # which may be the one that is in use already
        before = read_settings(present.config)
        if (settings.root_cert, settings.key_kind) != (before.root_cert, before.key_kind):
            return True
        if settings.private_key in {"", HIDDEN}:
            return settings.private_key != before.private_key
        signer = self._store.get(CA_SIGNERS, active.id)
        return signer is None or to_pem(from_user(settings.private_key)) != signer.private_key

    async def _crossed(self, made: NewRoot, *, force: bool) -> NewRoot:
        """The new root with what leads from it to the active one, unless that is the same."""
        active = self.active_root()
        if active is None or force or self._primary is not None:
            return made
        if active.id == made.root.id:
            return made._replace(root=with_crossings(made.root, crossings(active)))
        certificate = certificates.parse_certificate(made.root.root_cert)
        pem = await self.provider().cross_sign(certificate)
        return made._replace(root=with_crossings(made.root, (pem,)))

    async def rotate(self) -> None:
        """Make another root of the same configuration the active one.

        Raises BadRequest if the root is not made here, and Invalid.
        """
        async with self._configuring:
            provider, present = self.provider(), self.configuration()
            assert present is not None
            if why_not := self.why_not_rotated():
                message = f"the root cannot be replaced by another one: {why_not}"
                raise BadRequest(message)
            made = await self._crossed(await provider.make_root(), force=False)
            await self.store(present, present, made)

    def why_not_rotated(self) -> str:
        """Why the active root is not followed by another one just so; empty if it can be."""
        if self._primary is not None:
            return "it is the primary datacenter's"
        configuration, settings = self.configuration(), self.settings()
        if configuration is None or configuration.provider != BUILTIN:
            return "it is the provider's"
        if settings.private_key or settings.root_cert:
            return "its key was given by the configuration"
        return "cross-signing is off" if settings.disable_cross_signing else ""

    async def prune(self, leaf_lives: int) -> None:
        """Forget roots that ceased to be active so many lives of a leaf ago; ended revocations too.

        Raises RaftError.
        """
        now_s = self.now_s()
        if self.configuration() is None:
            return
        before_s = now_s - leaf_lives * self.settings().leaf_cert_ttl_ns / SECOND
        old = (root.rotated_out_s for root in self._store.all(CA_ROOTS) if not root.active)
        ends = [row.expires_at_s for row in self._store.all(CA_REVOCATIONS)]
        ends += [row.expires_at_s for row in self._store.all(CA_LEAVES)]
        if min(old, default=before_s) < before_s or min(ends, default=now_s) < now_s:
            await self._propose(CAPrune(rotated_out_before_s=before_s, now_s=now_s))

    # Signing.

    async def sign(self, request_pem: str) -> IssuedCertificate:
        """A certificate for a signing request. Raises Invalid, or RateLimited."""
        provider, active = self.provider(), self.active_root()
        configuration, settings = self.configuration(), self.settings()
        assert configuration is not None
        assert active is not None
        domain = trust_domain(configuration.cluster_id)
        applicant = applicant_of(request_pem, domain, self._datacenter)
        async with self._pace.turn(settings):
            life = Life(self.now_s(), settings.leaf_cert_ttl_ns / SECOND)
            pem = await provider.sign(Asked(request_pem, applicant.subject, life))
        # Not before it is noted: only a leader may give one away, and all that live are known.
        index = await self._propose(CALeafIssued(leaf=leaf_row(pem, applicant, active)))
        assert isinstance(index, int)
        return issued(pem, applicant, active, index)

    async def sign_intermediate(self, request_pem: str) -> str:
        """An intermediate of another datacenter, as PEM. Raises Invalid."""
        return await self.provider().sign_intermediate(request_pem)

    async def _take_serial(self) -> int:
        taken = await self._propose(CASerialTake())
        assert isinstance(taken, tuple)
        serial, _index = taken
        assert isinstance(serial, int)
        return serial

    async def _propose(self, command: Command) -> object:
        _index, result = await self._log.propose(encode(command))
        if isinstance(result, CatalogError):
            raise result
        return result


def _refuse_roots(provider: str, config: Mapping[str, Any]) -> None:
    if provider != BUILTIN or config.get("PrivateKey") or config.get("RootCert"):
        raise Invalid("roots and their provider are configured in the primary datacenter")


def _same_root(one: CARoot, other: CARoot | None) -> bool:
    """Whether a root that was found is the active one already, with the same certificates."""
    return other is not None and one == replace(other, create_index=0, modify_index=0)


def _same(one: CAConfiguration, other: CAConfiguration) -> bool:
    return replace(one, create_index=0, modify_index=0) == replace(
        other, create_index=0, modify_index=0
    )
