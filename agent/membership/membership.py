"""This agent in the gossip of its cluster: its pools, and all that the agent asks of them.

    start ─► WAN pool (servers) ─► LAN pool ─► members_changed ─► server list, subscribers
                                      └─► event_received ─► filters ─► event ring

The WAN is bound first, because the LAN's tags tell its port. Everything runs on one event loop.
Source: Consul's agent and server gossip; surface §1.1, §1.8, §1.12.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from agent.config import RuntimeConfig
from agent.membership.datacenters import by_distance, coordinates_by_datacenter
from agent.membership.event_message import NAME_PREFIX, NEW_LEADER, encode
from agent.membership.events import EventRing, UserEvent, check
from agent.membership.keyring import change_keyring
from agent.membership.pool import MembersChanged, Pool
from agent.membership.received import ReceivedEvents
from agent.membership.server_list import ServerList
from agent.membership.servers_abroad import ServersAbroad
from agent.membership.settings import lan_settings, wan_settings
from agent.membership.tags import ServerInfo, member_json, server_of, wan_name
from agent.rpc.endpoints.server_state import Keyring, KeyringChange
from catalog.errors import CatalogError
from catalog.rows.node import Coord
from catalog.rows.service import NodeService
from gossip.core.effects import Change
from gossip.core.types import Member, Rng
from gossip.core.types import UserEvent as GossipEvent
from gossip.errors import GossipError

if TYPE_CHECKING:
    from agent.tasks import Tasks

NO_WAN: Final = "Must be a server to join WAN cluster"

_log = structlog.get_logger("agent.membership")


class Membership:
    """See the module. ``wide`` means the pool between datacenters, which only servers have.

    Before ``start`` the agent is the only member; after ``shutdown`` the last members are shown.
    """

    def __init__(  # noqa: PLR0913 - everything that the edge gives, named
        self,
        config: RuntimeConfig,
        node_id: str,
        *,
        data_dir: Path | None,
        tasks: Tasks,
        rng: Rng,
        ring: EventRing,
        own_services: Callable[[], Iterable[NodeService]],
    ) -> None:
        self._config = config
        self._node_id = node_id
        self._data_dir = data_dir
        self._tasks = tasks
        self._rng = rng
        self._received = ReceivedEvents(config.node_name, ring, own_services)
        self._subscribers: dict[object, tuple[bool, MembersChanged]] = {}
        self._wan = self._make_wan()
        self._lan = self._make_lan()
        self.servers = ServerList(config.datacenter, self.lan_members)
        self.servers_abroad = ServersAbroad(self.wan_members, self.datacenters)

    # Life.

    async def start(self) -> None:
        """Bind and announce; the members of the last run are rejoined.

        Raises OSError when an address cannot be bound, CatalogError for unusable keys.
        """
        try:
            if self._wan is not None:
                await self._wan.start()
                self._lan = self._make_lan()  # the port that a port of 0 became
            await self._lan.start()
        except BaseException:
            await self.shutdown()
            raise

    async def leave(self) -> None:
        """Say goodbye in both pools at once and return when the others know: some seconds."""
        async with asyncio.TaskGroup() as goodbyes:
            for pool in self._pools():
                goodbyes.create_task(pool.leave())

    async def shutdown(self) -> None:
        """Stop at once, without a word to the others. Idempotent."""
        for pool in self._pools():
            await pool.shutdown()

    # Members.

    def members(self, *, wide: bool) -> list[dict[str, Any]]:
        """The members as the API shows them, by name."""
        pool = self._wan if wide else self._lan
        return [] if pool is None else pool.members_json()

    def member(self) -> dict[str, Any]:
        """This agent as a member of its datacenter."""
        return member_json(self._lan.member())

    def lan_members(self) -> tuple[Member, ...]:
        """The members of this datacenter."""
        return self._lan.members()

    def wan_members(self) -> tuple[Member, ...]:
        """The servers of all datacenters; none on a client."""
        return () if self._wan is None else self._wan.members()

    def server_infos(self, *, wide: bool = False) -> tuple[ServerInfo, ...]:
        """The members that are servers, the failed and left ones too."""
        members = self.wan_members() if wide else self.lan_members()
        found = (server_of(member) for member in members)
        return tuple(server for server in found if server is not None)

    @property
    def node_count(self) -> int:
        """The members of the datacenter that are alive."""
        return self.servers.node_count

    @property
    def has_wan(self) -> bool:
        """Whether this agent takes part in the pool between datacenters."""
        return self._wan is not None

    def address(self, *, wide: bool = False) -> str:
        """``host:port`` where the others reach this agent; empty without such a pool."""
        pool = self._wan if wide else self._lan
        if pool is None:
            return ""
        own = member_json(pool.member())
        host = f"[{own['Addr']}]" if ":" in own["Addr"] else own["Addr"]
        return f"{host}:{pool.address.port}"

    def subscribe(self, callback: MembersChanged, *, wide: bool = False) -> Callable[[], None]:
        """Call back at each change of members, until the returned function is called."""
        token = object()
        self._subscribers[token] = (wide, callback)

        def cancel() -> None:
            self._subscribers.pop(token, None)

        return cancel

    async def join(self, addresses: Sequence[str], *, wide: bool) -> int:
        """Join agents by ``[name/]host[:port]``; how many answered.

        Raises CatalogError when none did, or for ``wide`` on a client.
        """
        pool = self._wan if wide else self._lan
        if pool is None:
            raise CatalogError(NO_WAN)
        return await pool.join(tuple(addresses))

    async def force_leave(self, name: str, *, prune: bool, wide: bool = False) -> None:
        """Count a failed member as having left; ``prune`` forgets it at once.

        A server says it between the datacenters too. Raises CatalogError for an unknown name.
        """
        pool = self._wan if wide else self._lan
        known = () if pool is None else pool.members()
        if pool is None or all(name != member.name for member in known):
            raise CatalogError(f"agent: No node found with name '{name}'")
        await pool.force_leave(name, prune=prune)
        wide_name = wan_name(name, self._config.datacenter)
        if not wide and any(wide_name == member.name for member in self.wan_members()):
            assert self._wan is not None, "it has members"
            await self._wan.force_leave(wide_name, prune=prune)

    # Events.

    def fire_event(self, event: UserEvent) -> None:
        """Tell every agent of the datacenter, this one too. Raises Invalid."""
        check(event)
        name, payload = encode(event)
        self._tasks.start("fire event", self._tell(name, payload))

    def announce_leader(self) -> None:
        """Tell every agent that this server leads now."""
        self._tasks.start("fire event", self._tell(NEW_LEADER, self._config.node_name.encode()))

    async def _tell(self, name: str, payload: bytes) -> None:
        try:
            await self._lan.gossip.user_event(name, payload)
        except GossipError as error:
            _log.warning("event not sent", name=name, error=str(error))

    def _event_received(self, event: GossipEvent) -> None:
        if event.name.startswith(NAME_PREFIX):
            self._received.take(event)
        elif event.name == NEW_LEADER:
            _log.info("new leader elected", leader=event.payload.decode("utf-8", "replace"))
        else:
            _log.debug("unknown event", name=event.name)

    # Keys.

    async def keyring(self, change: KeyringChange) -> tuple[Keyring, ...]:
        """List or change the gossip keys on every member, in the WAN pool and then in the LAN.

        Raises CatalogError when encryption is off or a member refuses, Invalid for a bad key.
        """
        pools = (self._lan,) if change.local_only else self._pools()
        return await change_keyring(pools, self._config.datacenter, change)

    # Numbers.

    @property
    def coordinate(self) -> Coord:
        """This agent's network coordinate in its datacenter."""
        return self._lan.coordinate

    def coordinates_of(self, *, wide: bool) -> dict[str, Coord]:
        """Coordinates by member name: this agent's own, and those last heard of the others."""
        pool = self._wan if wide else self._lan
        return {} if pool is None else pool.coordinates()

    def datacenters(self) -> tuple[str, ...]:
        """The datacenters known, near ones first; on a client only its own."""
        servers = self.server_infos(wide=True)
        known = self.coordinates_of(wide=True)
        own_name = wan_name(self._config.node_name, self._config.datacenter)
        return by_distance(self._config.datacenter, known.get(own_name, Coord()), servers, known)

    def coordinates_by_datacenter(self) -> dict[str, dict[str, Coord]]:
        """The servers' coordinates between datacenters: by datacenter, then by node name."""
        return coordinates_by_datacenter(
            self.server_infos(wide=True), self.coordinates_of(wide=True)
        )

    def stats(self, *, wide: bool) -> dict[str, str]:
        """A pool in numbers, as text; empty without such a pool."""
        pool = self._wan if wide else self._lan
        return {} if pool is None else pool.stats()

    # Assembly.

    def _pools(self) -> tuple[Pool, ...]:
        return (self._lan,) if self._wan is None else (self._wan, self._lan)

    def _make_wan(self) -> Pool | None:
        made_from = wan_settings(self._config, self._node_id, self._data_dir)
        if made_from is None:
            return None
        return Pool(
            made_from, wide=True, tasks=self._tasks, rng=self._rng, on_members=self._wan_changed
        )

    def _make_lan(self) -> Pool:
        wan_port = self._wan.address.port if self._wan is not None else 0
        return Pool(
            lan_settings(self._config, self._node_id, self._data_dir, wan_join_port=wan_port),
            wide=False,
            tasks=self._tasks,
            rng=self._rng,
            on_members=self._lan_changed,
            on_event=self._event_received,
        )

    def _lan_changed(self, change: Change, members: tuple[Member, ...]) -> None:
        self.servers.refresh(members)
        self._tell_subscribers(change, members, wide=False)

    def _wan_changed(self, change: Change, members: tuple[Member, ...]) -> None:
        self.servers_abroad.refresh()
        self._tell_subscribers(change, members, wide=True)

    def _tell_subscribers(self, change: Change, members: tuple[Member, ...], *, wide: bool) -> None:
        for is_wide, callback in list(self._subscribers.values()):
            if is_wide is wide:
                callback(change, members)
