"""The certificates of this agent's services: asked for once, kept, renewed in time.

A key (always EC P-256, whatever the roots' keys are) is made here and leaves the agent only to
whoever asks the agent itself. A leaf is renewed at a random point between 60 and 90 % of its life,
soon after another root or intermediate signs (spread out, so that a whole cluster does not ask at
once), and at once when it was revoked. Source: Consul, leaf certificates.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

import structlog
from msgspec.structs import replace

from agent.connect import certificates, holder, renewal
from agent.connect.holder import Holder
from agent.connect.keys import EC, KeyKind, generate, to_pem
from agent.connect.limits import RateLimited
from agent.connect.renewal import Jitter
from agent.connect.requests import BadSigningRequest, make_request
from agent.connect.spiffe import leaf_common_name
from agent.rpc.endpoints.connect import CARevocationsGet, CARootsGet, CASign
from agent.rpc.follow import follow
from agent.rpc.request import Reply, Request, RpcError
from catalog.errors import CatalogError, Invalid
from catalog.rows.connect import CARoots, IssuedCertificate
from raft.errors import RaftError

LEAVES_MAX: Final = 1024  # services of one host, many times over; the least used is forgotten
KEY_KIND: Final = KeyKind(EC, 256)
SIGN_ATTEMPTS_MAX: Final = 5  # for somebody who waits, when the servers are busy signing
SIGN_RETRY_S: Final = 1.0  # doubled by chance, so that agents do not come back together
LOOK_INTERVAL_S: Final = 30.0  # the wall clock jumps, and a host that slept has not counted time
WATCH_WAIT_NS: Final = 600_000_000_000  # one blocking read of the roots

_log = structlog.get_logger("agent.connect")


class Calls(Protocol):
    """The cluster, as far as leaves need it."""

    async def call(self, request: Request) -> Reply:
        """Answer a request. Raises CatalogError or RpcError."""


class _Owner(NamedTuple):
    """Who a leaf was made for: a token's right to a service is checked when it is signed."""

    token: str
    holder: Holder


class _Entry:
    """One leaf; times in seconds since the epoch. ``changed`` is set and replaced at renewals.

    ``signed_by`` is the id of the signing key, ``asked_of`` the signer that was asked for another
    leaf by somebody who did not wait; ``failures`` counts renewals that failed since.
    """

    def __init__(self) -> None:
        self.leaf: IssuedCertificate | None = None
        self.signed_by = ""
        self.asked_of = ""
        self.start_s = 0.0
        self.renew_at_s = 0.0
        self.expires_at_s = 0.0
        self.failures = 0
        self.is_revoked = False
        self.changed = asyncio.Event()
        self.issuing = asyncio.Lock()


class Served(NamedTuple):
    """A leaf with its key, and whether it was at hand already."""

    leaf: IssuedCertificate
    hit: bool


class Leaves:
    """See the module. ``now_s`` is the wall clock.

    The tasks that renew start with the first leaf: most agents never need them.
    """

    def __init__(
        self,
        router: Calls,
        datacenter: str,
        *,
        rng: Jitter,
        now_s: Callable[[], float],
        start_task: Callable[[str, Coroutine[Any, Any, None]], object],
    ) -> None:
        self._router = router
        self._start_task = start_task
        self._renewing = False
        self._datacenter = datacenter
        self._rng = rng
        self._now_s = now_s
        self._signer = ""
        self._entries: OrderedDict[_Owner, _Entry] = OrderedDict()
        self._sooner = asyncio.Event()

    async def get(
        self,
        service: str,
        token: str,
        min_index: int = 0,
        wait_s: float = 0.0,
        dns_names: tuple[str, ...] = (),
    ) -> Served:
        """A service's leaf, as get_for gives it; ``dns_names`` are an ingress gateway's hosts."""
        return await self.get_for(holder.service(service, dns_names), token, min_index, wait_s)

    async def get_for(
        self, wanted: Holder, token: str, min_index: int = 0, wait_s: float = 0.0
    ) -> Served:
        """A leaf; waits for a newer one while its index is not beyond ``min_index``.

        Without one, it is of the present signer, if that has time.
        Raises CatalogError or RpcError when it cannot be signed.
        """
        if not self._renewing:
            self._renewing = True
            self._start_task("leaf renewal", self._renew())
            self._start_task("leaf roots", self._watch_roots())
            self._start_task("leaf revocations", self._watch_revocations())
        owner = _Owner(token, wanted)
        entry = self._entry(owner)
        if entry.leaf is None or entry.is_revoked or self._now_s() >= entry.expires_at_s:
            leaf = await self._issue(owner, entry, entry.leaf, self._sign_patiently)
            return Served(leaf, hit=False)
        if not min_index and self._signer not in {"", entry.signed_by, entry.asked_of}:
            entry.asked_of = self._signer
            try:
                return Served(await self._issue(owner, entry, entry.leaf, self._sign), hit=False)
            except (CatalogError, RpcError, RaftError) as error:
                self._retry_later(owner, entry, error)
        if min_index and entry.leaf.modify_index <= min_index:
            changed = entry.changed
            try:
                async with asyncio.timeout(wait_s):
                    await changed.wait()
            except TimeoutError:
                pass
        return Served(entry.leaf, hit=True)

    def expires_in_s(self) -> float | None:
        """Seconds until the first of all leaves ends; None without any."""
        ends = [entry.expires_at_s for entry in self._issued()]
        return min(ends) - self._now_s() if ends else None

    def _entry(self, owner: _Owner) -> _Entry:
        entry = self._entries.setdefault(owner, _Entry())
        self._entries.move_to_end(owner)
        if len(self._entries) > LEAVES_MAX:
            self._entries.popitem(last=False)
        return entry

    # Issuing.

    async def _issue(
        self,
        owner: _Owner,
        entry: _Entry,
        replacing: IssuedCertificate | None,
        sign: Callable[[CASign], Coroutine[Any, Any, IssuedCertificate]],
    ) -> IssuedCertificate:
        async with entry.issuing:
            if entry.leaf is not None and entry.leaf is not replacing:
                return entry.leaf  # another caller had it signed meanwhile
            roots: CARoots = (await self._router.call(CARootsGet(token=owner.token))).value
            if not roots.active_root_id:
                raise Invalid("no active root certificate")
            identity = owner.holder.identity(roots.trust_domain, self._datacenter)
            key = generate(KEY_KIND)
            try:
                request = make_request(
                    key, owner.holder.names(identity), leaf_common_name(identity)
                )
            except BadSigningRequest as error:
                raise Invalid(str(error)) from None
            signed = await sign(CASign(request=request, token=owner.token))
            self._keep(entry, replace(signed, private_key_pem=to_pem(key)))
            assert entry.leaf is not None
            return entry.leaf

    async def _sign_patiently(self, request: CASign) -> IssuedCertificate:
        for _ in range(SIGN_ATTEMPTS_MAX - 1):
            try:
                return await self._sign(request)
            except RateLimited:
                await asyncio.sleep(SIGN_RETRY_S * (1 + self._rng.random()))
        return await self._sign(request)

    async def _sign(self, request: CASign) -> IssuedCertificate:
        leaf = (await self._router.call(request)).value
        assert isinstance(leaf, IssuedCertificate)
        return leaf

    def _keep(self, entry: _Entry, leaf: IssuedCertificate) -> None:
        certificate = certificates.parse_certificate(leaf.cert_pem)
        entry.leaf = leaf
        entry.signed_by = certificates.signed_by_key_id(certificate)
        # Backdating is no life: a short-lived leaf would be renewed at once.
        entry.start_s = max(certificate.not_valid_before_utc.timestamp(), self._now_s())
        entry.expires_at_s = certificate.not_valid_after_utc.timestamp()
        entry.renew_at_s = renewal.leaf_due_s(entry.start_s, entry.expires_at_s, self._rng)
        entry.failures = 0
        entry.is_revoked = False
        entry.changed.set()
        entry.changed = asyncio.Event()
        self._sooner.set()

    # Renewing: three tasks that run as long as the agent.

    async def _renew(self) -> None:
        """Renew leaves when their time has come, again and again."""
        while True:
            self._sooner.clear()
            await self._renew_due()
            pauses_s = (entry.renew_at_s - self._now_s() for entry in self._issued())
            pause_s = max(0.0, min(pauses_s, default=LOOK_INTERVAL_S))
            try:
                async with asyncio.timeout(min(pause_s, LOOK_INTERVAL_S)):
                    await self._sooner.wait()
            except TimeoutError:
                continue

    async def _renew_due(self) -> None:
        for owner, entry in list(self._entries.items()):
            if entry.leaf is None or entry.renew_at_s > self._now_s():
                continue
            try:
                await self._issue(owner, entry, entry.leaf, self._sign)
            except (CatalogError, RpcError, RaftError) as error:
                self._retry_later(owner, entry, error)

    def _retry_later(self, owner: _Owner, entry: _Entry, error: Exception) -> None:
        now_s = self._now_s()
        entry.failures += 1
        pause_s = (
            renewal.busy_retry_in_s(entry.failures, self._rng)
            if isinstance(error, RateLimited)
            else renewal.retry_in_s(entry.failures)
        )
        entry.renew_at_s = now_s + pause_s
        left_s = entry.expires_at_s - now_s
        told = {"service": owner.holder.name, "error": str(error), "expires_in_s": round(left_s)}
        if renewal.is_alarming(entry.start_s, entry.expires_at_s, now_s):
            _log.error("leaf certificate about to expire", failures=entry.failures, **told)
        else:
            _log.warning("leaf not renewed yet", **told)

    async def _watch_roots(self) -> None:
        """Have leaves of another signer renewed soon after it is the active one no more."""

        def ask(index: int) -> Coroutine[Any, Any, Reply]:
            return self._router.call(CARootsGet(min_index=index, wait_ns=WATCH_WAIT_NS))

        async for reply in follow("roots of the mesh", ask, self._rng):
            self._roots_are(reply.value)

    def _roots_are(self, roots: CARoots) -> None:
        self._signer = next((root.signing_key_id for root in roots.roots if root.active), "")
        for entry in self._issued():
            if self._signer and entry.signed_by != self._signer:
                soon_s = self._now_s() + self._rng.random() * renewal.SPREAD_S
                entry.renew_at_s = min(entry.renew_at_s, soon_s)
        self._sooner.set()

    async def _watch_revocations(self) -> None:
        """Have a leaf that was revoked replaced at once: its key may be in other hands."""

        def ask(index: int) -> Coroutine[Any, Any, Reply]:
            return self._router.call(CARevocationsGet(min_index=index, wait_ns=WATCH_WAIT_NS))

        async for reply in follow("revoked leaves", ask, self._rng):
            revoked = {row.serial for row in reply.value}
            for entry in self._issued():
                if entry.leaf is not None and entry.leaf.serial_number in revoked:
                    entry.is_revoked = True
                    entry.renew_at_s = self._now_s()
            self._sooner.set()

    def _issued(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.leaf is not None]
