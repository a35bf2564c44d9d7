"""The builtin certificate authority of the servers: its first root, signing, rotation, pruning.

What it knows is in the replicated state; this is only the work of the leader on it. Keys of RSA are
made and used on a worker thread, since they take long.
Source: Consul, built-in CA (https://developer.hashicorp.com/consul/docs/connect/ca).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import structlog
from msgspec.structs import replace

from agent.clock import monotonic_s
from agent.connect import certificates
from agent.connect.certificates import Issuer, Subject
from agent.connect.keys import BadKey, PrivateKey, from_pem, generate, kind_of, to_pem
from agent.connect.limits import RateLimited
from agent.connect.settings import HIDDEN, PROVIDER, AuthoritySettings, canonical, read_settings
from agent.connect.spiffe import (
    AuthorityIdentity,
    BadIdentity,
    ServiceIdentity,
    leaf_common_name,
    parse_identity,
    root_common_name,
)
from catalog.commands import CAConfigure, CAPrune, CASerialTake, Command, encode
from catalog.duration import SECOND
from catalog.errors import BadRequest, CatalogError, Invalid
from catalog.rows.connect import (
    CAConfiguration,
    CARoot,
    CASigner,
    IssuedCertificate,
    trust_domain,
)
from catalog.store import Store
from catalog.tables import CA_CONFIGURATION, CA_ROOTS, CA_SIGNERS
from raft.errors import RaftError

SIGNING_WAIT_S_MAX: Final = 0.5  # a request that would wait longer is told to come back later
PRUNE_INTERVAL_S: Final = 3600.0  # roots live for days: an hour more does not matter
PRUNE_LEAF_LIVES: Final = 2  # an old root stays until its last leaf is dead, and as long again
UINT64_MASK: Final = 2**64 - 1  # the API shows serial numbers of roots as unsigned 64 bits

_log = structlog.get_logger("agent.connect")
T = TypeVar("T")


class Log(Protocol):
    """The replicated log, as far as the authority needs it."""

    async def propose(self, command: bytes) -> tuple[int, object]:
        """Propose a command and wait: its index and result. Raises RaftError."""


class _NewRoot(NamedTuple):
    root: CARoot
    signer: CASigner


class Authority:
    """See the module. ``now_s`` is the wall clock, ``new_uuid`` draws ids."""

    def __init__(
        self,
        *,
        store: Store,
        log: Log,
        datacenter: str,
        now_s: Callable[[], float],
        new_uuid: Callable[[], str],
    ) -> None:
        self._store = store
        self._log = log
        self._datacenter = datacenter
        self._now_s = now_s
        self._new_uuid = new_uuid
        self._configuring = asyncio.Lock()
        self._next_signing_s = 0.0
        self._parsed: tuple[str, Issuer] | None = None

    # The leader's duties.

    async def start(self, provider: str, config: Mapping[str, Any]) -> None:
        """Make the first root, unless there is one. A configuration that is wrong is logged."""
        if self._store.get(CA_CONFIGURATION, "") is not None:
            return
        try:
            await self.configure(CAConfiguration(provider=provider, config=dict(config)))
        except CatalogError as error:
            # The rest of the server is of use without the mesh.
            _log.error("certificate authority not started", error=str(error))

    async def prune(self) -> None:
        """Forget roots whose last leaf is long dead, again and again."""
        while True:
            await asyncio.sleep(PRUNE_INTERVAL_S)
            if any(not root.active for root in self._store.all(CA_ROOTS)):
                lives_ns = PRUNE_LEAF_LIVES * self._settings().leaf_cert_ttl_ns
                before_s = self._now_s() - lives_ns / SECOND
                try:
                    await self._propose(CAPrune(rotated_out_before_s=before_s))
                except RaftError as error:
                    _log.warning("old roots not forgotten yet", error=str(error))

    # Configuration and rotation.

    async def configure(self, wanted: CAConfiguration) -> None:
        """Use another configuration; a change of the key makes a new root. Raises Invalid."""
        async with self._configuring:
            await self._configure(wanted)

    async def _configure(self, wanted: CAConfiguration) -> None:
        present = self._store.get(CA_CONFIGURATION, "")
        if wanted.provider != PROVIDER:
            message = f'could not initialize provider: unknown CA provider "{wanted.provider}"'
            raise Invalid(message)
        if wanted.state and wanted.state != (present.state if present else None):
            raise BadRequest("Bad request: CA Provider State is read-only")
        config = canonical(wanted.config)
        cluster_id = present.cluster_id if present else self._new_cluster_id(config)
        settings = read_settings(config)
        made = None
        if self._needs_root(settings, present):
            made = await self._new_root(
                settings, cluster_id, force=wanted.force_without_cross_signing
            )
        if config.get("PrivateKey"):
            config["PrivateKey"] = HIDDEN
        stored = replace(wanted, config=config, cluster_id=cluster_id, state=None)
        if made is None and present is not None and _same(stored, present):
            return
        await self._propose(
            CAConfigure(
                configuration=stored,
                expected_index=present.modify_index if present else 0,
                root=made.root if made else None,
                signer=made.signer if made else None,
                now_s=self._now_s(),
            )
        )
        if made is not None:
            _log.info("root certificate in use", root=made.root.id)

    def _new_cluster_id(self, config: dict[str, Any]) -> str:
        given = config.pop("cluster_id", "")
        return given if isinstance(given, str) and given else self._new_uuid()

    def _needs_root(self, settings: AuthoritySettings, present: CAConfiguration | None) -> bool:
        active = self._active()
        if present is None or active is None:
            return True
        before = read_settings(present.config)
        if (settings.root_cert, settings.key_kind) != (before.root_cert, before.key_kind):
            return True
        if settings.private_key in {"", HIDDEN}:
            return settings.private_key != before.private_key
        signer = self._store.get(CA_SIGNERS, active.id)
        return signer is None or to_pem(from_user(settings.private_key)) != signer.private_key

    async def _new_root(
        self, settings: AuthoritySettings, cluster_id: str, *, force: bool
    ) -> _NewRoot:
        active = self._active()
        key = await self._key(settings, active)
        uri = AuthorityIdentity(trust_domain=trust_domain(cluster_id)).uri
        if settings.root_cert:
            pem = settings.root_cert.strip() + "\n"
            _check_root(pem, key)
        else:
            serial, _ = await self._take_serial()
            name = root_common_name(cluster_id, self._new_uuid())
            pem = certificates.make_root(key, uri, name, serial, self._now_s())
        certificate = certificates.parse_certificate(pem)
        intermediates: tuple[str, ...] | None = None
        if active is not None and not force and active.id != certificates.fingerprint(certificate):
            if self._settings().disable_cross_signing:
                raise Invalid(
                    "The current CA Provider does not support cross-signing. You can try again "
                    "with ForceWithoutCrossSigningSet but this may cause disruption - see "
                    "documentation for more."
                )
            serial, _ = await self._take_serial()
            issuer = self._issuer(active)
            crossed = certificates.cross_sign(certificate, issuer, serial, self._now_s())
            intermediates = (crossed,)
        root = _row(certificate, pem, cluster_id, intermediates)
        return _NewRoot(root, CASigner(root_id=root.id, private_key=to_pem(key)))

    async def _key(self, settings: AuthoritySettings, active: CARoot | None) -> PrivateKey:
        if settings.private_key == HIDDEN and active is not None:
            return self._issuer(active).key
        if settings.private_key:
            return from_user(settings.private_key)
        kind = settings.key_kind
        return await _run(lambda: generate(kind), slow=kind.is_slow)

    # Signing.

    async def sign(self, request_pem: str) -> IssuedCertificate:
        """A certificate for a signing request. Raises Invalid, or RateLimited."""
        active = self._active()
        configuration = self._store.get(CA_CONFIGURATION, "")
        if active is None or configuration is None:
            raise Invalid("internal error: CA provider is nil")
        settings = self._settings()
        subject, service = self._subject(request_pem, trust_domain(configuration.cluster_id))
        await self._pace(settings.csr_max_per_second)
        serial, index = await self._take_serial()
        issuer = self._issuer(active)
        now_s, lifetime_s = self._now_s(), settings.leaf_cert_ttl_ns / SECOND
        pem = await _run(
            lambda: certificates.make_leaf(subject, issuer, serial, now_s, lifetime_s),
            slow=kind_of(issuer.key).is_slow,
        )
        leaf = certificates.parse_certificate(pem)
        return IssuedCertificate(
            serial_number=certificates.serial_text(serial),
            cert_pem=certificates.chained((pem, *(active.intermediate_certs or ()))),
            service=service,
            service_uri=subject.uri,
            valid_after=certificates.rfc3339(leaf.not_valid_before_utc),
            valid_before=certificates.rfc3339(leaf.not_valid_after_utc),
            create_index=index,
            modify_index=index,
        )

    def _subject(self, request_pem: str, domain: str) -> tuple[Subject, str]:
        try:
            uri, public_key = certificates.parse_request(request_pem)
            identity = parse_identity(uri)
        except (certificates.BadRequestForCertificate, BadIdentity) as error:
            raise Invalid(str(error)) from None
        if not isinstance(identity, ServiceIdentity):
            raise Invalid("SPIFFE ID in CSR must be a service ID")
        if identity.trust_domain != domain:
            raise Invalid(
                "SPIFFE ID in CSR from a different trust domain: "
                f"{identity.trust_domain}, we are {domain}"
            )
        if identity.datacenter != self._datacenter:
            raise Invalid(
                "SPIFFE ID in CSR from a different datacenter: "
                f"{identity.datacenter}, we are {self._datacenter}"
            )
        subject = Subject(identity.uri, leaf_common_name(identity), public_key)
        return subject, identity.service

    async def _pace(self, per_second_max: float) -> None:
        if per_second_max <= 0:
            return
        now_s = monotonic_s()
        due_s = max(now_s, self._next_signing_s)
        if due_s - now_s > SIGNING_WAIT_S_MAX:
            raise RateLimited
        self._next_signing_s = due_s + 1 / per_second_max
        await asyncio.sleep(due_s - now_s)

    # State.

    def _active(self) -> CARoot | None:
        return next((root for root in self._store.all(CA_ROOTS) if root.active), None)

    def _settings(self) -> AuthoritySettings:
        configuration = self._store.get(CA_CONFIGURATION, "")
        assert configuration is not None
        return read_settings(configuration.config)

    def _issuer(self, root: CARoot) -> Issuer:
        if self._parsed is None or self._parsed[0] != root.id:
            signer = self._store.get(CA_SIGNERS, root.id)
            assert signer is not None
            certificate = certificates.parse_certificate(root.root_cert)
            self._parsed = (root.id, Issuer(certificate, from_pem(signer.private_key)))
        return self._parsed[1]

    async def _take_serial(self) -> tuple[int, int]:
        taken = await self._propose(CASerialTake())
        assert isinstance(taken, tuple)
        return taken

    async def _propose(self, command: Command) -> object:
        _index, result = await self._log.propose(encode(command))
        if isinstance(result, CatalogError):
            raise result
        return result


def from_user(pem: str) -> PrivateKey:
    """The key that a user gives. Raises Invalid, without the key in the text."""
    try:
        return from_pem(pem)
    except BadKey as error:
        raise Invalid(f"could not initialize provider: {error}") from None


async def _run(work: Callable[[], T], *, slow: bool) -> T:
    return await asyncio.to_thread(work) if slow else work()


def _same(one: CAConfiguration, other: CAConfiguration) -> bool:
    return replace(one, create_index=0, modify_index=0) == replace(
        other, create_index=0, modify_index=0
    )


def _check_root(pem: str, key: PrivateKey) -> None:
    try:
        certificate = certificates.parse_certificate(pem)
        fits = certificates.belongs(certificate, key)
    except ValueError:
        raise Invalid("error parsing root cert: not a PEM certificate") from None
    if not fits:
        raise Invalid("RootCert does not belong to PrivateKey")


def _row(
    certificate: Any, pem: str, cluster_id: str, intermediates: tuple[str, ...] | None
) -> CARoot:
    kind = kind_of(certificate.public_key())
    return CARoot(
        id=certificates.fingerprint(certificate),
        name="Consul CA Root Cert",
        serial_number=certificate.serial_number & UINT64_MASK,
        signing_key_id=certificates.signing_key_id(certificate),
        external_trust_domain=cluster_id,
        not_before=certificates.rfc3339(certificate.not_valid_before_utc),
        not_after=certificates.rfc3339(certificate.not_valid_after_utc),
        root_cert=pem,
        intermediate_certs=intermediates,
        active=True,
        private_key_type=kind.type,
        private_key_bits=kind.bits,
    )
