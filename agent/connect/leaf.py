"""The certificates of this agent's services: asked for once, kept, renewed in time.

A key is made here and leaves the agent only to whoever asks the agent itself. A leaf is renewed at
a random point between 60 and 90 % of its life, and soon after another root became the active one,
spread out so that a whole cluster does not ask at once.
Source: Consul, leaf certificates.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

import structlog
from msgspec.structs import replace

from agent.connect import certificates
from agent.connect.keys import KeyKind, generate, to_pem
from agent.connect.limits import RateLimited
from agent.connect.spiffe import ServiceIdentity, leaf_common_name
from agent.rpc.endpoints.connect import CARootsGet, CASign
from agent.rpc.request import Reply, Request, RpcError
from catalog.errors import CatalogError, Invalid
from catalog.rows.connect import CARoot, CARoots, IssuedCertificate
from raft.errors import RaftError

LEAVES_MAX: Final = 1024  # services of one host, many times over; the least used is forgotten
RENEW_LIFE_MIN: Final = 0.6  # not earlier: half of all signing would be waste
RENEW_LIFE_MAX: Final = 0.9  # not later: time for retries must be left
ROOT_SPREAD_S: Final = 30.0  # after a rotation, leaves are renewed within this time
RETRY_S: Final = 5.0  # after a renewal that failed; a leaf then still has a tenth of its life
SIGN_ATTEMPTS_MAX: Final = 5  # when the servers are busy signing
SIGN_RETRY_S: Final = 1.0  # doubled by chance, so that agents do not come back together
WATCH_WAIT_NS: Final = 600_000_000_000  # one blocking read of the roots

_log = structlog.get_logger("agent.connect")


class Calls(Protocol):
    """The cluster, as far as leaves need it."""

    async def call(self, request: Request) -> Reply:
        """Answer a request. Raises CatalogError or RpcError."""


class Jitter(Protocol):
    """The part of a random generator that is used here."""

    def random(self) -> float:
        """A number in [0, 1)."""


class _Owner(NamedTuple):
    """Who a leaf was made for: a token's right to a service is checked when it is signed."""

    token: str
    service: str


class _Entry:
    """One service's leaf. ``changed`` is set and replaced at each renewal."""

    def __init__(self) -> None:
        self.leaf: IssuedCertificate | None = None
        self.root_id = ""
        self.renew_at_s = 0.0
        self.expires_at_s = 0.0
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
        self._entries: OrderedDict[_Owner, _Entry] = OrderedDict()
        self._sooner = asyncio.Event()

    async def get(
        self, service: str, token: str, min_index: int = 0, wait_s: float = 0.0
    ) -> Served:
        """The leaf of a service; waits for a newer one while its index is not beyond ``min_index``.

        Raises CatalogError or RpcError when it cannot be signed.
        """
        if not self._renewing:
            self._renewing = True
            self._start_task("leaf renewal", self._renew())
            self._start_task("leaf roots", self._watch_roots())
        owner = _Owner(token, service)
        entry = self._entry(owner)
        if entry.leaf is None or self._now_s() >= entry.expires_at_s:
            return Served(await self._issue(owner, entry, replacing=entry.leaf), hit=False)
        if min_index and entry.leaf.modify_index <= min_index:
            changed = entry.changed
            try:
                async with asyncio.timeout(wait_s):
                    await changed.wait()
            except TimeoutError:
                pass
        return Served(entry.leaf, hit=True)

    def _entry(self, owner: _Owner) -> _Entry:
        entry = self._entries.setdefault(owner, _Entry())
        self._entries.move_to_end(owner)
        if len(self._entries) > LEAVES_MAX:
            self._entries.popitem(last=False)
        return entry

    # Issuing.

    async def _issue(
        self, owner: _Owner, entry: _Entry, replacing: IssuedCertificate | None
    ) -> IssuedCertificate:
        async with entry.issuing:
            if entry.leaf is not None and entry.leaf is not replacing:
                return entry.leaf  # another caller had it signed meanwhile
            roots: CARoots = (await self._router.call(CARootsGet(token=owner.token))).value
            root = _active(roots)
            kind = KeyKind(root.private_key_type, root.private_key_bits)
            identity = ServiceIdentity(
                trust_domain=roots.trust_domain, datacenter=self._datacenter, service=owner.service
            )
            key, request = await _run(kind, identity)
            signed = await self._sign(CASign(request=request, token=owner.token))
            self._keep(entry, replace(signed, private_key_pem=key), root.id)
            assert entry.leaf is not None
            return entry.leaf

    async def _sign(self, request: CASign) -> IssuedCertificate:
        for _ in range(SIGN_ATTEMPTS_MAX - 1):
            try:
                return self._certificate(await self._router.call(request))
            except RateLimited:
                await asyncio.sleep(SIGN_RETRY_S * (1 + self._rng.random()))
        return self._certificate(await self._router.call(request))

    def _certificate(self, reply: Reply) -> IssuedCertificate:
        assert isinstance(reply.value, IssuedCertificate)
        return reply.value

    def _keep(self, entry: _Entry, leaf: IssuedCertificate, root_id: str) -> None:
        certificate = certificates.parse_certificate(leaf.cert_pem)
        start_s = certificate.not_valid_before_utc.timestamp()
        end_s = certificate.not_valid_after_utc.timestamp()
        share = RENEW_LIFE_MIN + self._rng.random() * (RENEW_LIFE_MAX - RENEW_LIFE_MIN)
        # Backdating is no life: a short-lived leaf would be renewed at once.
        start_s = max(start_s, self._now_s())
        entry.leaf = leaf
        entry.root_id = root_id
        entry.renew_at_s = start_s + share * (end_s - start_s)
        entry.expires_at_s = end_s
        entry.changed.set()
        entry.changed = asyncio.Event()
        self._sooner.set()

    # Renewing: two tasks that run as long as the agent.

    async def _renew(self) -> None:
        """Renew leaves when their time has come, again and again."""
        while True:
            self._sooner.clear()
            due_s = min((entry.renew_at_s for entry in self._issued()), default=None)
            try:
                async with asyncio.timeout(due_s and max(0.0, due_s - self._now_s())):
                    await self._sooner.wait()
            except TimeoutError:
                await self._renew_due()

    async def _renew_due(self) -> None:
        for owner, entry in list(self._entries.items()):
            if entry.leaf is None or entry.renew_at_s > self._now_s():
                continue
            try:
                await self._issue(owner, entry, replacing=entry.leaf)
            except (CatalogError, RpcError, RaftError) as error:
                entry.renew_at_s = self._now_s() + RETRY_S
                _log.warning("leaf not renewed yet", service=owner.service, error=str(error))

    async def _watch_roots(self) -> None:
        """Have leaves of an older root renewed soon after another root is the active one."""
        index = 0
        while True:
            request = CARootsGet(min_index=index, wait_ns=WATCH_WAIT_NS)
            try:
                reply = await self._router.call(request)
            except (CatalogError, RpcError, RaftError) as error:
                _log.warning("roots not known", error=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            index = reply.index if reply.index >= index else 0
            self._root_is(reply.value.active_root_id)

    def _root_is(self, root_id: str) -> None:
        for entry in self._issued():
            if root_id and entry.root_id != root_id:
                soon_s = self._now_s() + self._rng.random() * ROOT_SPREAD_S
                entry.renew_at_s = min(entry.renew_at_s, soon_s)
        self._sooner.set()

    def _issued(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.leaf is not None]


def _active(roots: CARoots) -> CARoot:
    for root in roots.roots:
        if root.active:
            return root
    raise Invalid("no active root certificate")


async def _run(kind: KeyKind, identity: ServiceIdentity) -> tuple[str, str]:
    """A new key and a request for its certificate, as PEM."""

    def make() -> tuple[str, str]:
        key = generate(kind)
        request = certificates.make_request(key, identity.uri, leaf_common_name(identity))
        return to_pem(key), request

    return await asyncio.to_thread(make) if kind.is_slow else make()
