"""What a server that is alone knows of the servers: it leads, and nobody else is there.

Answers the endpoints of ``agent.rpc.endpoints.server_state``.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from agent.config import RuntimeConfig
from agent.membership.events import UserEvent
from agent.membership.membership import Membership
from agent.rpc.endpoints.server_state import (
    AutopilotHealth,
    AutopilotServer,
    AutopilotState,
    DatacenterMap,
    Keyring,
    KeyringChange,
    RaftConfiguration,
    RaftServer,
    ServerHealth,
)
from agent.version import COMPATIBLE
from catalog.errors import CatalogError, Invalid
from catalog.rows.node import Coordinate
from raft.driver import Driver
from raft.errors import BadArchive

CONFIGURATION_INDEX: Final = 1  # a lone server's first log entry


class LoneServer:
    """Implements ServerState. ``started_s`` is seconds since the epoch."""

    def __init__(
        self,
        config: RuntimeConfig,
        node_id: str,
        driver: Driver,
        *,
        started_s: float,
        membership: Membership,
        on_restored: Callable[[], Awaitable[None]],
    ) -> None:
        self._node_id = node_id
        self._name = config.node_name
        self._address = f"{config.rpc_advertise.host}:{config.rpc_advertise.port}"
        self._driver = driver
        self._stable_since = datetime.fromtimestamp(started_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._membership = membership
        self._on_restored = on_restored

    @property
    def leader_address(self) -> str:
        """This server's own."""
        return self._address

    def raft_configuration(self) -> RaftConfiguration:
        """This server alone."""
        own = RaftServer(
            id=self._node_id, node=self._name, address=self._address, leader=True, voter=True
        )
        return RaftConfiguration(servers=(own,), index=CONFIGURATION_INDEX)

    async def remove_peer(self, *, server_id: str, address: str) -> None:
        """Nobody can be removed. Raises CatalogError."""
        if server_id == self._node_id or address == self._address:
            raise CatalogError("the only voter cannot be removed")
        name, value = ("id", server_id) if server_id else ("address", address)
        raise CatalogError(f'{name} "{value}" was not found in the Raft configuration')

    async def transfer_leadership(self, server_id: str) -> None:
        """Nobody else could lead. Raises CatalogError."""
        del server_id
        raise CatalogError("cannot find peer to transfer leadership to: this is the only server")

    def autopilot_health(self) -> AutopilotHealth:
        """This server is healthy while it answers."""
        own = ServerHealth(
            id=self._node_id,
            name=self._name,
            address=self._address,
            serf_status="alive",
            version=COMPATIBLE,
            leader=True,
            last_contact="0s",
            last_term=self._driver.term,
            last_index=self._driver.last_index,
            healthy=True,
            voter=True,
            stable_since=self._stable_since,
        )
        return AutopilotHealth(healthy=True, failure_tolerance=0, servers=(own,))

    def autopilot_state(self) -> AutopilotState:
        """This server as the leader."""
        own = AutopilotServer(
            id=self._node_id,
            name=self._name,
            address=self._address,
            node_status="alive",
            version=COMPATIBLE,
            last_contact="0s",
            last_term=self._driver.term,
            last_index=self._driver.last_index,
            healthy=True,
            stable_since=self._stable_since,
            status="leader",
            meta={"version": COMPATIBLE, "raft_version": "3"},
            node_type="voter",
        )
        return AutopilotState(
            healthy=True,
            failure_tolerance=0,
            optimistic_failure_tolerance=0,
            servers={self._node_id: own},
            leader=self._node_id,
            voters=(self._node_id,),
        )

    async def save_snapshot(self) -> tuple[bytes, int]:
        """The whole state as an archive, and its index."""
        archive, meta = await self._driver.save_archive()
        with archive:
            return archive.read(), meta.index

    async def restore_snapshot(self, archive: bytes) -> None:
        """Replace the whole state. Raises Invalid for a bad archive, which changes nothing."""
        try:
            await self._driver.restore_archive(archive)
        except BadArchive as error:
            raise Invalid(f"Error restoring snapshot: {error}") from None
        await self._on_restored()

    async def change_keyring(self, change: KeyringChange) -> tuple[Keyring, ...]:
        """List or change the gossip keys of all members. Raises CatalogError."""
        return await self._membership.keyring(change)

    def fire_event(self, event: UserEvent) -> None:
        """Send an event to all agents of this datacenter. Raises Invalid."""
        self._membership.fire_event(event)

    def datacenters(self) -> tuple[str, ...]:
        """The datacenters known, near ones first."""
        return self._membership.datacenters()

    def datacenter_maps(self) -> tuple[DatacenterMap, ...]:
        """The servers' coordinates by datacenter."""
        return tuple(
            DatacenterMap(
                datacenter=datacenter,
                coordinates=tuple(Coordinate(node=node, coord=nodes[node]) for node in nodes),
            )
            for datacenter, nodes in self._membership.coordinates_by_datacenter().items()
        )
