"""Finding the cluster at the start: addresses joined once, and addresses joined until it works.

A once-only join that fails ends the start. A repeated one is tried every interval; after its
maximum of attempts the process has to end. Source: surface §5.2, ``start_join``, ``retry_join``
and their kin for the WAN.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from agent.config import RuntimeConfig
from catalog.duration import SECOND
from catalog.errors import CatalogError, Invalid

RETRY_INTERVAL_S_MIN: Final = 0.1  # an interval of 0 must not keep the agent busy
PROVIDER_MARK: Final = "provider="  # begins an entry that asks a cloud for addresses

_log = structlog.get_logger("agent.join")


class JoinPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of one pool. ``attempts_max`` 0 means any number."""

    wide: bool
    once: tuple[str, ...]
    repeated: tuple[str, ...]
    interval_s: float
    attempts_max: int


class Joins(Protocol):
    """agent.membership.membership.Membership."""

    async def join(self, addresses: Sequence[str], *, wide: bool) -> int:
        """Join agents; how many answered. Raises CatalogError when none did."""


def join_plans(config: RuntimeConfig) -> tuple[JoinPlan, ...]:
    """The LAN's plan and, on a server, the WAN's. Raises Invalid for an unsupported entry."""
    plans = [
        JoinPlan(
            wide=False,
            once=config.start_join,
            repeated=config.retry_join,
            interval_s=config.retry_interval / SECOND,
            attempts_max=config.retry_max,
        )
    ]
    wide = JoinPlan(
        wide=True,
        once=config.start_join_wan,
        repeated=config.retry_join_wan,
        interval_s=config.retry_interval_wan / SECOND,
        attempts_max=config.retry_max_wan,
    )
    _refuse_providers(config)
    if config.server:
        plans.append(wide)
    elif wide.once or wide.repeated:
        _log.warning("start_join_wan and retry_join_wan are for servers only and not used")
    return tuple(plans)


async def join_once(plan: JoinPlan, membership: Joins) -> None:
    """Join the addresses of the start. Raises CatalogError when none answers."""
    if plan.once:
        count = await membership.join(plan.once, wide=plan.wide)
        _log.info("joined", pool=_pool(plan), agents=count)


async def join_until_joined(
    plan: JoinPlan,
    membership: Joins,
    *,
    on_exhausted: Callable[[CatalogError], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Try until an agent answers; ``on_exhausted`` gets the last reason after too many tries."""
    if not plan.repeated:
        return
    attempt = 0
    while True:
        attempt += 1
        try:
            count = await membership.join(plan.repeated, wide=plan.wide)
        except CatalogError as error:
            if plan.attempts_max and attempt >= plan.attempts_max:
                _log.error("max join retry exhausted, exiting", pool=_pool(plan), tries=attempt)
                on_exhausted(error)
                return
            _log.warning(
                "join failed, will retry",
                pool=_pool(plan),
                retry_s=plan.interval_s,
                error=str(error),
            )
            await sleep(max(plan.interval_s, RETRY_INTERVAL_S_MIN))
        else:
            _log.info("joined", pool=_pool(plan), agents=count)
            return


def _refuse_providers(config: RuntimeConfig) -> None:
    for key in ("start_join", "retry_join", "start_join_wan", "retry_join_wan"):
        for address in getattr(config, key):
            # The entry may hold a secret: only its provider is told.
            word = next((w for w in address.split() if w.startswith(PROVIDER_MARK)), None)
            if word is not None:
                raise Invalid(
                    f"{key}: cloud discovery ({word}) is not supported; "
                    "give addresses as [name/]host[:port]"
                )


def _pool(plan: JoinPlan) -> str:
    return "wan" if plan.wide else "lan"
