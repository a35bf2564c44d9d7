"""One gossip pool of this agent: the driver, what it hears, and what the API shows of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog
from typing_extensions import override

from agent.clock import monotonic_s
from agent.membership.settings import PoolSettings
from agent.membership.tags import coord_of, member_json
from catalog.errors import CatalogError
from catalog.rows.node import Coord
from gossip.core.coordinates import ORIGIN
from gossip.core.effects import Change
from gossip.core.types import Address, Member, Rng, Status, UserEvent
from gossip.driver import Gossip
from gossip.errors import GossipError, JoinError
from gossip.surroundings import SilentListener, Surroundings

if TYPE_CHECKING:
    from agent.tasks import Tasks

NONCE_BYTES: Final = 12  # of AES-GCM

_log = structlog.get_logger("agent.membership")

MembersChanged = Callable[[Change, tuple[Member, ...]], None]


class Pool:
    """The LAN or the WAN pool. Before ``start`` this agent is its only member."""

    def __init__(
        self,
        made_from: PoolSettings,
        *,
        wide: bool,
        tasks: Tasks,
        rng: Rng,
        on_members: MembersChanged,
        on_event: Callable[[UserEvent], None] | None = None,
    ) -> None:
        self.is_wide = wide
        self.name = name = "wan" if wide else "lan"
        self._config = made_from.config
        self._is_running = False
        self._gossip = Gossip(
            made_from.config,
            made_from.settings,
            Surroundings(
                monotonic_s=monotonic_s,
                rng=rng,
                nonce=lambda: secrets.token_bytes(NONCE_BYTES),
                start_task=tasks.start,
            ),
            listener=_Ear(name, on_members, on_event),
            policy=made_from.policy,
        )
        self._last_members: tuple[Member, ...] = (self._self_alone(),)

    # Life.

    async def start(self) -> None:
        """Bind and announce. Raises OSError for the address, CatalogError for keys and tags."""
        try:
            await self._gossip.start()
        except GossipError as error:
            raise CatalogError(f"gossip ({self.name}) cannot start: {error}") from None
        self._is_running = True

    async def leave(self) -> None:
        """Say goodbye and return when the others know; nothing happens a second time."""
        if not self._is_running:
            return
        try:
            await self._gossip.leave()
        except GossipError as error:
            _log.info("not left again", pool=self.name, error=str(error))

    async def shutdown(self) -> None:
        """Stop without a word. Idempotent."""
        if self._is_running:
            self._last_members = self._gossip.members()
            self._is_running = False
        await self._gossip.shutdown()

    # To look at.

    @property
    def gossip(self) -> Gossip:
        """The driver."""
        return self._gossip

    @property
    def address(self) -> Address:
        """Where the others reach this agent."""
        return self._gossip.address if self._is_running else self._config.address

    def members(self) -> tuple[Member, ...]:
        """All members, by name; ourselves too."""
        members = self._gossip.members() if self._is_running else self._last_members
        return tuple(sorted(members, key=lambda member: member.name))

    def member(self) -> Member:
        """This agent itself."""
        name = self._config.name
        return next((m for m in self.members() if m.name == name), self._self_alone())

    def members_json(self) -> list[dict[str, Any]]:
        """All members as the API shows them."""
        return [member_json(member) for member in self.members()]

    @property
    def coordinate(self) -> Coord:
        """This agent's network coordinate."""
        return coord_of(self._gossip.coordinates.coordinate if self._is_running else ORIGIN)

    def coordinates(self) -> dict[str, Coord]:
        """The coordinates last heard of the others, and this agent's own, by member."""
        known = {self._config.name: self.coordinate}
        if self._is_running:
            peers = self._gossip.coordinates.peers
            known |= {name: coord_of(coordinate) for name, coordinate in peers.items()}
        return known

    @property
    def is_encrypted(self) -> bool:
        """Whether there are keys."""
        return bool(self._gossip.keys if self._is_running else self._config.keys)

    def stats(self) -> dict[str, str]:
        """The pool in numbers, as text."""
        members = self.members()
        found = {
            "members": len(members),
            "failed": _count(members, Status.FAILED),
            "left": _count(members, Status.LEFT),
            "health_score": self._gossip.health_score if self._is_running else 0,
            "member_time": max(member.status_time for member in members),
        }
        if self._is_running:
            depths = self._gossip.queue_depths
            found |= {
                "event_queue": depths["events"],
                "intent_queue": depths["intents"],
                "query_queue": depths["queries"],
                "coordinate_resets": self._gossip.coordinates.reset_count,
            }
        texts = {name: str(number) for name, number in found.items()}
        return {**texts, "encrypted": str(self.is_encrypted).lower()}

    # Operations.

    async def join(self, addresses: tuple[str, ...]) -> int:
        """Join every address; how many answered. Raises CatalogError when none did."""
        failures: list[str] = []
        count = 0
        for address in addresses:
            try:
                count += await self._gossip.join((address,))
            except JoinError as error:
                failures += [_told(address, failure) for failure in error.failures]
            except GossipError as error:
                failures.append(_told(address, str(error)))
        if failures and not count:
            raise CatalogError(str(JoinError(failures)))
        for failure in failures:
            _log.warning("not joined", pool=self.name, error=failure.strip())
        return count

    async def force_leave(self, name: str, *, prune: bool) -> None:
        """Count a failed member as having left. Raises CatalogError."""
        try:
            await self._gossip.force_leave(name, prune=prune)
        except GossipError as error:
            raise CatalogError(str(error)) from None

    def _self_alone(self) -> Member:
        config = self._config
        return Member(config.name, config.address, config.tags, Status.ALIVE, config.versions)


class _Ear(SilentListener):
    """Passes on what the agent cares about, and logs what an operator should know."""

    def __init__(
        self,
        pool: str,
        on_members: MembersChanged,
        on_event: Callable[[UserEvent], None] | None,
    ) -> None:
        self._pool = pool
        self._on_members = on_members
        self._on_event = on_event

    @override
    def members_changed(self, change: Change, members: tuple[Member, ...]) -> None:
        for member in members:
            _log.info(change.value, pool=self._pool, member=member.name)
        self._on_members(change, members)

    @override
    def event_received(self, event: UserEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)

    @override
    def conflict_seen(self, node: str, known: Address, other: Address) -> None:
        _log.warning("two addresses claim one name", pool=self._pool, member=node)

    @override
    def stopped(self, reason: str) -> None:
        _log.error("gossip stopped", pool=self._pool, reason=reason)


def _count(members: tuple[Member, ...], status: Status) -> int:
    return sum(member.status is status for member in members)


def _told(address: str, failure: str) -> str:
    return failure if failure.startswith("Failed to ") else f"Failed to join {address}: {failure}"
