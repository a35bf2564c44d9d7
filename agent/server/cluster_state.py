"""What a server knows of the servers: who leads, who keeps the log, how they fare.

Answers the endpoints of ``agent.rpc.endpoints.server_state`` and ``raft_stats``. What only the
leader may do or knows is asked of the leader by the router; here it is done.
Source: Consul API, /v1/status, /v1/operator.
"""

import math
from collections.abc import Awaitable, Callable
from typing import IO, Final, Protocol

import structlog

from agent.membership.events import UserEvent
from agent.membership.membership import Membership
from agent.rpc.endpoints.raft_stats import NEVER_NS, RaftStats
from agent.rpc.endpoints.server_state import (
    AutopilotHealth,
    AutopilotState,
    DatacenterMap,
    Keyring,
    KeyringChange,
    RaftConfiguration,
    RaftServer,
)
from agent.server.autopilot import without
from agent.server.autopilot_health import Assessment
from agent.server.autopilot_rows import health_of, state_of
from agent.server.consensus import Consensus, find
from agent.server.server_changes import removal_refusal
from agent.server.server_members import ServerMember, server_members
from catalog.duration import SECOND
from catalog.errors import CatalogError, Invalid
from catalog.rows.node import Coordinate
from raft.entries import VOTER, Server, SnapshotMeta
from raft.errors import BadArchive

UNKNOWN_NODE: Final = "(unknown)"  # Consul's name of a server that gossip does not know
UNKNOWN_PROTOCOL: Final = "unknown"

_log = structlog.get_logger("agent.server")


class Log(Consensus, Protocol):
    """The replicated log, with the archives of its state."""

    async def save_archive(self) -> tuple[IO[bytes], SnapshotMeta]:
        """A fresh snapshot as an archive file at its start, which the caller closes."""

    async def restore_archive(self, packed: bytes) -> None:
        """Replace the whole state by an archive's. Raises BadArchive."""


class Autopilot(Protocol):
    """agent.server.autopilot_loop.AutopilotLoop."""

    @property
    def assessment(self) -> Assessment | None:
        """Its last look at the servers; None while another server leads."""


class ClusterState:
    """Implements ServerState. ``epoch_s``: the wall clock when autopilot's clock was 0."""

    def __init__(  # noqa: PLR0913 - everything that the edge gives, named
        self,
        own: Server,
        datacenter: str,
        log: Log,
        *,
        autopilot: Autopilot,
        epoch_s: float,
        membership: Membership,
        on_restored: Callable[[], Awaitable[None]],
    ) -> None:
        self._own = own
        self._datacenter = datacenter
        self._log = log
        self._autopilot = autopilot
        self._epoch_s = epoch_s
        self._membership = membership
        self._on_restored = on_restored

    # The log's members.

    @property
    def leader_address(self) -> str:
        """Where the leader listens; empty while there is none."""
        return self._log.leader_address

    def raft_stats(self) -> RaftStats:
        """How far this server is."""
        contact_s = self._log.last_contact_s
        return RaftStats(
            last_contact_ns=round(contact_s * SECOND) if math.isfinite(contact_s) else NEVER_NS,
            last_term=self._log.last_term,
            last_index=self._log.last_index,
            cluster=self._log.cluster_id.hex(),
        )

    def raft_configuration(self) -> RaftConfiguration:
        """The log's servers, with their names where gossip knows them."""
        members = self._members()
        by_id = {member.id: member for member in members}
        by_address = {member.address: member for member in members}
        return RaftConfiguration(
            servers=tuple(
                self._shown(server, by_id.get(server.id) or by_address.get(server.address))
                for server in self._log.configuration.servers
            ),
            index=self._log.configuration_index,
        )

    def _shown(self, server: Server, member: ServerMember | None) -> RaftServer:
        return RaftServer(
            id=server.id,
            node=member.name if member is not None else UNKNOWN_NODE,
            address=server.address,
            leader=server.id == self._log.leader_id,
            protocol_version=member.raft_version if member is not None else UNKNOWN_PROTOCOL,
            voter=server.suffrage == VOTER,
        )

    async def remove_peer(self, *, server_id: str, address: str) -> None:
        """Take a server out of the log. Raises CatalogError or RaftError.

        A server that is alive in gossip is added again soon.
        """
        configuration, index = self._log.configuration, self._log.configuration_index
        if server_id:
            found = find(configuration, server_id)
        else:
            found = next((s for s in configuration.servers if s.address == address), None)
        if found is None:
            asked = f'id "{server_id}"' if server_id else f'address "{address}"'
            raise CatalogError(f"{asked} was not found in the Raft configuration")
        reason = removal_refusal(configuration, self._members(), found.id)
        if reason:
            raise CatalogError(reason)
        await self._log.propose_configuration(without(configuration.servers, found.id), index)
        _log.warning("server removed from the log by an operator", server=found.id)

    async def transfer_leadership(self, server_id: str) -> None:
        """Let another server lead; any good one for an empty id. Raises CatalogError, RaftError."""
        configuration = self._log.configuration
        if all(server.id == self._own.id for server in configuration.servers):
            raise CatalogError(
                "cannot find peer to transfer leadership to: this is the only server"
            )
        if server_id:
            target = find(configuration, server_id)
            if target is None:
                raise CatalogError(f'id "{server_id}" was not found in the Raft configuration')
            if target.suffrage != VOTER:
                raise CatalogError(f'server "{server_id}" has no vote, so it cannot lead')
            if target.id == self._own.id:
                raise CatalogError(f'server "{server_id}" leads already')
        await self._log.transfer(server_id or None)

    def _members(self) -> tuple[ServerMember, ...]:
        return server_members(self._membership.lan_members(), self._datacenter)

    # Autopilot.

    def autopilot_health(self) -> AutopilotHealth:
        """How the servers fare."""
        return health_of(self._autopilot.assessment, epoch_s=self._epoch_s)

    def autopilot_state(self) -> AutopilotState:
        """The servers in their roles."""
        return state_of(self._autopilot.assessment, epoch_s=self._epoch_s)

    # The state as a whole.

    async def save_snapshot(self) -> tuple[bytes, int]:
        """The whole state as an archive, and its index."""
        archive, meta = await self._log.save_archive()
        with archive:
            return archive.read(), meta.index

    async def restore_snapshot(self, archive: bytes) -> None:
        """Replace the whole state. Raises Invalid for a bad archive, which changes nothing."""
        try:
            await self._log.restore_archive(archive)
        except BadArchive as error:
            raise Invalid(f"Error restoring snapshot: {error}") from None
        await self._on_restored()

    # Gossip.

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
