"""Servers on loopback that have a transport and nothing above it, and raw peers to annoy them."""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from typing_extensions import override

from raft import wire
from raft.connection import Connection
from raft.core.types import Message, Outgoing
from raft.peer_link import Surroundings
from raft.transport import Identity, Reports, Transport
from raft.wire import Channel, Encoder, FrameReader, Goodbye, Hello

LOOPBACK = "127.0.0.1"
ELECTION_TIMEOUT_S = 0.5  # so that no reconnect waits for longer than a quarter of a second
WAIT_S = 5.0  # far longer than anything here takes; a hang ends as a failure
CLUSTER = b"1" * 16


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.001)


class Node:
    """A server: what it received, what it was told, and a port."""

    def __init__(
        self,
        server_id: str,
        cluster_id: bytes = CLUSTER,
        *,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.server_id = server_id
        self.received: list[tuple[str, Message]] = []
        self.unreachable: list[str] = []
        self.clusters_met: list[bytes] = []
        self.troubles: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._server_tls = server_tls
        self._client_tls = client_tls
        self._server: asyncio.Server | None = None
        self.transport = Transport(
            Identity(server_id, cluster_id),
            Surroundings(
                dial=self._dial,
                random=random.Random(1).random,
                start_task=lambda name, work: asyncio.create_task(work, name=name),
                count=lambda name: self.counts.update([name.removeprefix("raft.transport.")]),
            ),
            Reports(
                message=lambda sender_id, message: self.received.append((sender_id, message)),
                unreachable=self.unreachable.append,
                cluster_met=self.clusters_met.append,
                trouble=lambda peer_id, reason: self.troubles.append((peer_id, reason)),
            ),
            election_timeout_s=ELECTION_TIMEOUT_S,
        )

    async def _dial(self, address: str, factory: Callable[[], Connection]) -> object:
        host, _, port = address.rpartition(":")
        return await asyncio.get_running_loop().create_connection(
            factory,
            host,
            int(port),
            ssl=self._client_tls,
            server_hostname="localhost" if self._client_tls else None,
        )

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def listen(self, factory: Callable[[], asyncio.Protocol] | None = None) -> None:
        """Accept connections, on the same port as before if there was one."""
        self._server = await asyncio.get_running_loop().create_server(
            factory or self.transport.inbound,
            LOOPBACK,
            self.port,
            ssl=self._server_tls,
            reuse_address=True,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self.transport.close()
        if self._server is not None:
            await self._server.wait_closed()

    def send(self, peer: "Node | str", *messages: Message) -> None:
        peer_id = peer if isinstance(peer, str) else peer.server_id
        self.transport.send([Outgoing(peer_id, message) for message in messages])

    def knows(self, *peers: "Node") -> None:
        self.transport.set_peers({peer.server_id: peer.address for peer in peers})

    async def reaches(self, peer: "Node | str") -> None:
        """Wait until every channel to a peer is open."""
        peer_id = peer if isinstance(peer, str) else peer.server_id
        await until(lambda: len(self.transport.connected(peer_id)) == len(Channel))

    @property
    def messages(self) -> list[Message]:
        return [message for _, message in self.received]


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    """The nodes listen; all are closed in the end."""
    try:
        for node in nodes:
            await node.listen()
        yield
    finally:
        for node in nodes:
            await node.close()


class Raw(asyncio.Protocol):
    """The other end of a connection: says what it is told to, keeps what it hears."""

    def __init__(self, says: bytes = b"", *, reads: bool = True) -> None:
        self.heard: list[wire.Received] = []
        self.left = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._says = says
        self._reads = reads
        self._preamble_passed = False
        self._reader = FrameReader()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment] # uvloop's has no such base
        assert self.transport is not None
        if self._says:
            self.transport.write(self._says)
        if not self._reads:
            self.transport.pause_reading()

    def say(self, *frames: bytes) -> None:
        assert self.transport is not None
        self.transport.write(b"".join(frames))

    def read_again(self) -> None:
        assert self.transport is not None
        self.transport.resume_reading()

    @override
    def data_received(self, data: bytes) -> None:
        if not self._preamble_passed and data.startswith(wire.PREAMBLE):
            data = data.removeprefix(wire.PREAMBLE)
        self._preamble_passed = True
        self.heard += self._reader.feed(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.left.set()

    @property
    def goodbye(self) -> str:
        """The reason it was told last."""
        last = self.heard[-1]
        assert isinstance(last, Goodbye)
        return last.reason


def hello_of(
    from_id: str,
    to_id: str,
    *,
    channel: Channel = Channel.URGENT,
    cluster_id: bytes = CLUSTER,
    version: int = wire.PROTOCOL_VERSION,
) -> bytes:
    """A hello's frame."""
    hello = Hello(version, cluster_id, from_id, to_id, 0, channel)
    return bytes(wire.encode_handshake(hello))


def frames_of(*messages: Message) -> bytes:
    encoder = Encoder()
    return b"".join(encoder.encode(message) for message in messages)


async def dial_raw(node: Node, says: bytes) -> Raw:
    """A connection to a node on which these bytes were said."""
    loop = asyncio.get_running_loop()
    _, raw = await loop.create_connection(lambda: Raw(says), LOOPBACK, node.port)
    return raw


def of_kind(messages: Iterable[object], kind: type[Message]) -> list[Message]:
    return [message for message in messages if isinstance(message, kind)]
