"""Carries the messages of one server to its peers and back, over TCP, with TLS if the dial has it.

Each server dials every peer it knows of, once for each channel, so that two servers usually have
six connections. A message leaves on the own connection to its peer; while there is none, on the one
that the peer made. So a new server, whose log is empty and names nobody, can answer, and one
direction in which connections can be made is enough. There is no rule for which of two
connections wins, and no message needs to say what it answers.

A message that cannot leave now is dropped, as Raft allows, and its peer reported as unreachable:
once, until a message of that channel can leave again.

Nothing here reads a clock or logs; ``Reports`` and ``count`` tell what happened.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from raft import wire
from raft.connection import Accepted, Connection, Dialled, Times
from raft.core.types import Message, Outgoing
from raft.peer_link import PeerLink, Surroundings
from raft.wire import Channel, Encoder, Hello

ACCEPTED_MAX: Final = 128  # connections others made: three of each peer, with room for late ones
STOPPING: Final = "the server is stopping"

_Key: TypeAlias = tuple[str, Channel]


class Identity(msgspec.Struct, frozen=True):
    """Who this server is. ``cluster_id``: of its log; empty while that is empty."""

    server_id: str
    cluster_id: bytes = b""
    features: int = 0


class Reports(msgspec.Struct, frozen=True, kw_only=True):
    """How the transport talks back, always on the loop thread.

    ``message(sender_id, message)``; the sender may be no member (any more, or yet).
    ``unreachable(peer_id)``: messages to it were lost, never called from within ``send``.
    ``cluster_met(cluster_id)``: a server of this cluster speaks to us, who have none yet: call
    ``adopt`` to be of it. ``trouble(peer_id, reason)``: for the operator, why a peer is not
    connected; once for the same reason.
    """

    message: Callable[[str, Message], None]
    unreachable: Callable[[str], None]
    cluster_met: Callable[[bytes], None]
    trouble: Callable[[str, str], None]


class Transport:
    """All connections of one server to others of its log."""

    def __init__(
        self,
        identity: Identity,
        surroundings: Surroundings,
        reports: Reports,
        *,
        election_timeout_s: float,
    ) -> None:
        self.times = Times.of(election_timeout_s)
        self._identity = identity
        self._surroundings = surroundings
        self._reports = reports
        self._encoder = Encoder()
        self._addresses: dict[str, str] = {}
        self._links: dict[_Key, PeerLink] = {}
        self._inbound: set[Accepted] = set()  # greeted or not yet
        self._accepted: dict[_Key, Accepted] = {}  # greeted ones, the newest each
        self._reported: set[_Key] = set()  # as unreachable, and nothing was sent since
        self._troubles: dict[str, str] = {}  # told to the operator
        self._closing = False

    # What the driver calls.

    def set_peers(self, addresses: Mapping[str, str]) -> None:
        """Connect to these servers (``{id: "host:port"}``, its own ignored) and to no others."""
        wanted = dict(addresses)
        wanted.pop(self._identity.server_id, None)
        for peer_id, address in list(self._addresses.items()):
            if wanted.get(peer_id) != address:
                self._forget(peer_id, "no member at this address any more")
        for peer_id in wanted.keys() - self._addresses.keys():
            self._addresses[peer_id] = address = wanted[peer_id]
            for channel in Channel:
                link = PeerLink(self, self._surroundings, peer_id, channel, address)
                self._links[peer_id, channel] = link

    def send(self, outgoing: Iterable[Outgoing]) -> None:
        """Send a turn's messages, in order; one write a connection."""
        used: dict[Connection, None] = {}
        for item in outgoing:
            key = (item.peer_id, wire.channel_of(item.message))
            connection = self._route(key)
            if connection is not None and connection.put(self._encoder.encode(item.message)):
                used[connection] = None
                self._reported.discard(key)
            else:
                self.count("raft.transport.message_dropped")
                self._unreachable(key)
        for connection in used:
            connection.flush()

    def adopt(self, cluster_id: bytes) -> None:
        """The log is of this cluster now; those who were told otherwise are greeted anew."""
        self._identity = msgspec.structs.replace(self._identity, cluster_id=cluster_id)
        for connection in self._connections():
            if connection.said is not None and connection.said.cluster_id != cluster_id:
                connection.end("this server has joined a cluster")

    def connected(self, peer_id: str) -> frozenset[Channel]:
        """The channels on which messages to a peer can leave."""
        return frozenset(c for c in Channel if self._route((peer_id, c)) is not None)

    async def close(self) -> None:
        """End every connection and wait until their sockets are closed."""
        self._closing = True
        links, inbound = list(self._links.values()), list(self._inbound)
        for peer_id in list(self._addresses):
            self._forget(peer_id, STOPPING)
        for connection in inbound:
            connection.end(STOPPING)
        for link in links:
            await link.stopped()
        for connection in inbound:
            await connection.gone.wait()

    # Connections that others make.

    def inbound(self) -> Accepted:
        """A protocol for a connection that was accepted."""
        connection = Accepted(self)
        self._inbound.add(connection)
        if self._closing or len(self._inbound) > ACCEPTED_MAX:
            self.count("raft.transport.accept_refused")
            connection.end(STOPPING if self._closing else "too many connections")
        return connection

    def accept(self, transport: asyncio.Transport, received: bytes) -> None:
        """Take over a connection, of which somebody read these bytes: PREAMBLE and on."""
        connection = self.inbound()
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection.data_received(received)

    # What the connections call.

    def hello(self, peer_id: str, channel: Channel) -> Hello:
        """What this server says of itself."""
        own = self._identity
        return Hello(
            wire.PROTOCOL_VERSION, own.cluster_id, own.server_id, peer_id, own.features, channel
        )

    def meet(self, connection: Connection, hello: Hello) -> str:
        """What speaks against going on with this peer; "" if nothing does."""
        objection = self._objection(hello)
        if isinstance(connection, Dialled) and hello.from_id != connection.peer_id:
            objection = objection or f"this is {hello.from_id}, not {connection.peer_id}"
        if objection:
            self._trouble(hello.from_id, objection)
        elif hello.cluster_id and not self._identity.cluster_id:
            self._reports.cluster_met(hello.cluster_id)
        return objection

    def greeted(self, connection: Connection) -> None:
        """Messages may be sent from now on."""
        assert connection.peer is not None
        self.count("raft.transport.connected")
        peer_id, _ = key = (connection.peer.from_id, connection.peer.channel)
        self._troubles.pop(peer_id, None)
        self._reported.discard(key)
        if isinstance(connection, Accepted):
            older = self._accepted.get(key)
            self._accepted[key] = connection
            if older is not None:
                self.count("raft.transport.superseded")
                older.end("a newer connection of the same server took over")
            for each in Channel:
                if (link := self._links.get((peer_id, each))) is not None:
                    link.wake()

    def received(self, connection: Connection, message: Message) -> None:
        """A message came."""
        assert connection.peer is not None
        self._reports.message(connection.peer.from_id, message)

    def ended(self, connection: Connection) -> None:
        """Nothing comes or goes any more."""
        if isinstance(connection, Accepted):
            self._inbound.discard(connection)
        elif isinstance(connection, Dialled):
            self._trouble(connection.peer_id, connection.end_reason)
        if connection.peer is None:
            return
        self.count("raft.transport.disconnected")
        key = (connection.peer.from_id, connection.peer.channel)
        if self._accepted.get(key) is connection:
            del self._accepted[key]
        if self._route(key) is None:
            self._unreachable(key)

    def count(self, name: str) -> None:
        """Something to be counted happened."""
        self._surroundings.count(name)

    # Within.

    def _objection(self, hello: Hello) -> str:
        own = self._identity
        if hello.version != wire.PROTOCOL_VERSION:
            return f"protocol version {hello.version}; only {wire.PROTOCOL_VERSION} is spoken here"
        if hello.from_id == own.server_id:
            return f"two servers have the id {own.server_id}"
        if hello.to_id != own.server_id:
            return f"this is {own.server_id}, not {hello.to_id}"
        if hello.cluster_id and own.cluster_id and hello.cluster_id != own.cluster_id:
            return f"this is cluster {own.cluster_id.hex()}, not {hello.cluster_id.hex()}"
        return ""

    def _route(self, key: _Key) -> Connection | None:
        link = self._links.get(key)
        if link is not None and link.connection.usable:
            return link.connection
        return self._accepted.get(key)

    def _connections(self) -> list[Connection]:
        return [*(link.connection for link in self._links.values()), *self._inbound]

    def _forget(self, peer_id: str, reason: str) -> None:
        del self._addresses[peer_id]
        self._troubles.pop(peer_id, None)
        for channel in Channel:
            self._reported.discard((peer_id, channel))
            self._links.pop((peer_id, channel)).stop(reason)

    def _unreachable(self, key: _Key) -> None:
        peer_id = key[0]
        if peer_id in self._addresses and key not in self._reported:
            self._reported.add(key)
            # The driver may be in the middle of a turn.
            asyncio.get_running_loop().call_soon(self._reports.unreachable, peer_id)

    def _trouble(self, peer_id: str, reason: str) -> None:
        if peer_id in self._addresses and self._troubles.get(peer_id) != reason:
            self._troubles[peer_id] = reason
            self._reports.trouble(peer_id, reason)
