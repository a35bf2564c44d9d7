"""What only a server can tell or do about the servers themselves: leadership, the log's members,
autopilot's view of them, snapshots of the whole state, gossip keys, events of other datacenters,
and which datacenters there are.

Rows are in the API's shape. Nothing of it is in the replicated state, so it is asked of the server
through ``ServerState`` and no read of it blocks. Source: Consul API, /v1/status, /v1/operator,
/v1/snapshot, /v1/event.
"""

from enum import StrEnum
from typing import Protocol

import msgspec

from agent.membership.events import UserEvent
from agent.rpc.request import ReadRequest, RpcError, WriteRequest
from agent.rpc.server import Abroad
from catalog.errors import CatalogError
from catalog.read import Read
from catalog.rows.node import Coordinate
from catalog.schema import Omit, Row


class RaftServer(Row, frozen=True, kw_only=True):
    """A server that the log is kept on."""

    id: str
    node: str
    address: str
    leader: bool
    protocol_version: str = "3"
    voter: bool


class RaftConfiguration(Row, frozen=True, kw_only=True):
    """The log's servers; ``index`` is that of the log entry that set them."""

    servers: tuple[RaftServer, ...]
    index: int


class ServerHealth(Row, frozen=True, kw_only=True):
    """How a server fares. ``last_contact`` is a duration's text, ``stable_since`` RFC 3339."""

    id: str
    name: str
    address: str
    serf_status: str
    version: str
    leader: bool
    last_contact: str
    last_term: int
    last_index: int
    healthy: bool
    voter: bool
    stable_since: str


class AutopilotHealth(Row, frozen=True, kw_only=True):
    """How the servers fare, and how many may fail without loss of the quorum."""

    healthy: bool
    failure_tolerance: int
    servers: tuple[ServerHealth, ...]


class AutopilotServer(Row, frozen=True, kw_only=True):
    """A server in its role. ``status`` is ``leader``, ``voter``, ``non-voter`` or ``staging``."""

    id: str
    name: str
    address: str
    node_status: str
    version: str
    last_contact: str
    last_term: int
    last_index: int
    healthy: bool
    stable_since: str
    read_replica: bool = False
    status: str
    meta: dict[str, str]
    node_type: str


class AutopilotState(Row, frozen=True, kw_only=True):
    """The servers by id, in their roles."""

    healthy: bool
    failure_tolerance: int
    optimistic_failure_tolerance: int
    servers: dict[str, AutopilotServer]
    leader: str
    voters: tuple[str, ...]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state as an archive, and its index."""

    archive: bytes
    index: int


class KeyringVerb(StrEnum):
    """What is done with the gossip keys."""

    LIST = "list"
    INSTALL = "install"
    USE = "use"
    REMOVE = "remove"


class Keyring(Row, frozen=True, kw_only=True):
    """The keys of one pool: how many members have each."""

    wan: bool = msgspec.field(name="WAN")
    datacenter: str
    segment: str = ""
    messages: Omit[dict[str, str] | None] = None
    keys: dict[str, int]
    primary_keys: dict[str, int]
    num_nodes: int


class DatacenterMap(Row, frozen=True, kw_only=True):
    """The coordinates of a datacenter's servers in the gossip between datacenters."""

    datacenter: str
    area_id: str = "wan"
    coordinates: tuple[Coordinate, ...]


# Requests.


class StatusLeader(ReadRequest, frozen=True, kw_only=True):
    """The leader's address; empty while there is none."""


class StatusPeers(ReadRequest, frozen=True, kw_only=True):
    """The addresses of the log's servers."""


class RaftConfigurationGet(ReadRequest, frozen=True, kw_only=True):
    """The log's servers."""


class RaftRemovePeer(WriteRequest, frozen=True, kw_only=True):
    """Remove a server from the log, by id or else by address; the reply is None."""

    id: str = ""
    address: str = ""


class TransferLeadership(WriteRequest, frozen=True, kw_only=True):
    """Hand leadership to a server, or to the best one for an empty id; the reply is None."""

    id: str = ""


class AutopilotHealthGet(ReadRequest, frozen=True, kw_only=True):
    """How the servers fare."""


class AutopilotStateGet(ReadRequest, frozen=True, kw_only=True):
    """The servers in their roles."""


class SnapshotSave(WriteRequest, frozen=True, kw_only=True):
    """The whole state; ``stale`` lets any server give it, even without a leader."""

    stale: bool = False


class SnapshotRestore(WriteRequest, frozen=True, kw_only=True):
    """Replace the whole state by an archive's; the reply is None."""

    archive: bytes


class KeyringChange(WriteRequest, frozen=True, kw_only=True):
    """List, add, use or remove gossip keys (base 64) everywhere; one reply a pool.

    ``local_only``: only in the LAN of the datacenter asked, and not in the others.
    """

    verb: KeyringVerb
    key: str = ""
    relay_factor: int = 0
    local_only: bool = False


class EventFire(WriteRequest, frozen=True, kw_only=True):
    """Send a user event to the agents of the server's datacenter; the reply is None."""

    event: UserEvent


class ListDatacenters(ReadRequest, frozen=True, kw_only=True):
    """The datacenters known, near ones first."""


class ListDatacenterMaps(ReadRequest, frozen=True, kw_only=True):
    """The servers' coordinates by datacenter."""


# What answers them.


class ServerState(Protocol):
    """What a server knows of itself and of the others."""

    @property
    def leader_address(self) -> str:
        """Where the leader listens; empty while there is none."""

    def raft_configuration(self) -> RaftConfiguration:
        """The log's servers."""

    async def remove_peer(self, *, server_id: str, address: str) -> None:
        """See RaftRemovePeer. Raises CatalogError."""

    async def transfer_leadership(self, server_id: str) -> None:
        """See TransferLeadership. Raises CatalogError."""

    def autopilot_health(self) -> AutopilotHealth:
        """See AutopilotHealthGet."""

    def autopilot_state(self) -> AutopilotState:
        """See AutopilotStateGet."""

    async def save_snapshot(self) -> tuple[bytes, int]:
        """The whole state as an archive, and its index."""

    async def restore_snapshot(self, archive: bytes) -> None:
        """Replace the whole state. Raises Invalid for a bad archive, which changes nothing."""

    async def change_keyring(self, change: KeyringChange) -> tuple[Keyring, ...]:
        """See KeyringChange. Raises CatalogError."""

    def fire_event(self, event: UserEvent) -> None:
        """Send an event. Raises Invalid."""

    def datacenters(self) -> tuple[str, ...]:
        """See ListDatacenters."""

    def datacenter_maps(self) -> tuple[DatacenterMap, ...]:
        """See ListDatacenterMaps."""


class Server(Protocol):
    """A server's context, as far as these endpoints need it."""

    @property
    def state(self) -> ServerState:
        """What the server knows of itself and of the others."""

    @property
    def abroad(self) -> Abroad | None:
        """The other datacenters."""


def leader(_read: Read, _request: StatusLeader, server: Server) -> str:
    """See StatusLeader."""
    return server.state.leader_address


def peers(_read: Read, _request: StatusPeers, server: Server) -> tuple[str, ...]:
    """See StatusPeers."""
    return tuple(peer.address for peer in server.state.raft_configuration().servers)


def raft_configuration(
    _read: Read, _request: RaftConfigurationGet, server: Server
) -> RaftConfiguration:
    """See RaftConfigurationGet."""
    return server.state.raft_configuration()


async def remove_peer(server: Server, request: RaftRemovePeer) -> None:
    """See RaftRemovePeer."""
    await server.state.remove_peer(server_id=request.id, address=request.address)


async def transfer_leadership(server: Server, request: TransferLeadership) -> None:
    """See TransferLeadership."""
    await server.state.transfer_leadership(request.id)


def autopilot_health(_read: Read, _request: AutopilotHealthGet, server: Server) -> AutopilotHealth:
    """See AutopilotHealthGet."""
    return server.state.autopilot_health()


def autopilot_state(_read: Read, _request: AutopilotStateGet, server: Server) -> AutopilotState:
    """See AutopilotStateGet."""
    return server.state.autopilot_state()


async def save_snapshot(server: Server, _request: SnapshotSave) -> Snapshot:
    """See SnapshotSave."""
    archive, index = await server.state.save_snapshot()
    return Snapshot(archive=archive, index=index)


async def restore_snapshot(server: Server, request: SnapshotRestore) -> None:
    """See SnapshotRestore."""
    await server.state.restore_snapshot(request.archive)


async def change_keyring(server: Server, request: KeyringChange) -> tuple[Keyring, ...]:
    """See KeyringChange.

    Each datacenter's LAN has keys of its own, which its servers change. The first failure ends it:
    to repeat a change does no harm.
    """
    keyrings = await server.state.change_keyring(request)
    if request.local_only or server.abroad is None:
        return keyrings
    for datacenter in sorted(server.abroad.datacenters()):
        there = msgspec.structs.replace(request, datacenter=datacenter, local_only=True)
        try:
            keyrings += (await server.abroad.call(there)).value
        except (RpcError, CatalogError) as error:
            raise CatalogError(
                f"1 error occurred:\n\t* {datacenter} (LAN) error: {error}\n\n"
            ) from None
    return keyrings


async def fire_event(server: Server, request: EventFire) -> None:
    """See EventFire."""
    server.state.fire_event(request.event)


def list_datacenters(_read: Read, _request: ListDatacenters, server: Server) -> tuple[str, ...]:
    """See ListDatacenters."""
    return server.state.datacenters()


def list_datacenter_maps(
    _read: Read, _request: ListDatacenterMaps, server: Server
) -> tuple[DatacenterMap, ...]:
    """See ListDatacenterMaps."""
    return server.state.datacenter_maps()
