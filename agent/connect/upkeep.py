"""The leader's care of the authority: roots and intermediates renewed in time, old ones forgotten.

A root that is made here is followed by another one, cross-signed, early enough that each of its
leaves ends before it does; a root of somebody else is only warned about. Consul leaves its roots to
end (https://github.com/hashicorp/consul/issues/9443).
"""

import asyncio
from typing import Final

import structlog

from agent.connect import certificates, renewal
from agent.connect.authority import Authority
from agent.connect.provider import signing_intermediate
from agent.rpc.request import RpcError
from catalog.duration import SECOND
from catalog.errors import CatalogError
from catalog.rows.connect import CARoot
from raft.errors import RaftError

PRUNE_INTERVAL_S: Final = 3600.0  # roots live for days: an hour more does not matter
PRUNE_LEAF_LIVES: Final = 2  # an old root stays until its last leaf is dead, and as long again
LOOK_INTERVAL_S: Final = 60.0  # a clock is read; the shortest life that is allowed is an hour
BEGIN_INTERVAL_S: Final = 5.0  # without a root, no service of the mesh can start
ALARM_INTERVAL_S: Final = 3600.0  # often enough to be seen, seldom enough to be borne

_log = structlog.get_logger("agent.connect")


class Upkeep:
    """See the module. Its loops run while this server leads; an error never ends them."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._alarmed_at_s = float("-inf")

    async def prune(self) -> None:
        """Forget roots whose last leaf is long dead, and revocations of dead leaves."""
        while True:
            await asyncio.sleep(PRUNE_INTERVAL_S)
            try:
                await self._authority.prune(PRUNE_LEAF_LIVES)
            except RaftError as error:
                _log.warning("old roots not forgotten yet", error=str(error))

    async def run(self) -> None:
        """Renew what is due, again and again."""
        while True:
            try:
                await self.look()
            except (CatalogError, RpcError, RaftError) as error:
                _log.error("certificate authority not kept up", error=str(error))
            begun = self._authority.active_root() is not None
            await asyncio.sleep(LOOK_INTERVAL_S if begun else BEGIN_INTERVAL_S)

    async def look(self) -> None:
        """Renew what is due now. Raises CatalogError, RpcError or RaftError."""
        authority = self._authority
        if authority.active_root() is None:
            await authority.begin()
        await authority.follow_primary()
        active = authority.active_root()
        if active is None:
            return
        await authority.provider().keep_access()
        if not authority.is_secondary:
            await self._follow(active)
        await self._renew_intermediate()

    async def _follow(self, active: CARoot) -> None:
        authority = self._authority
        leaf_life_s = authority.settings().leaf_cert_ttl_ns / SECOND
        start_s, end_s = _life(active.root_cert)
        now_s = authority.now_s()
        if now_s < renewal.root_due_s(start_s, end_s, leaf_life_s):
            return
        why_not = authority.why_not_rotated()
        if not why_not:
            _log.info("root certificate followed by another one", root=active.id)
            await authority.rotate()
            return
        if now_s - self._alarmed_at_s >= ALARM_INTERVAL_S:
            self._alarmed_at_s = now_s
            left_s = round(end_s - now_s)
            _log.error(
                "root certificate about to expire", root=active.id, reason=why_not, left_s=left_s
            )

    async def _renew_intermediate(self) -> None:
        authority = self._authority
        active, present = authority.active_root(), authority.configuration()
        assert active is not None
        signing = signing_intermediate(active)
        if signing is None:
            return
        if authority.now_s() < renewal.intermediate_due_s(*_life(signing)):
            return
        renewed = await authority.provider().renew_intermediate()
        if renewed is not None:
            assert present is not None
            await authority.store(present, present, renewed)
            _log.info("intermediate certificate renewed", root=active.id)


def _life(pem: str) -> tuple[float, float]:
    certificate = certificates.parse_certificate(pem)
    return (
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )
