"""The server port, seen from bare sockets."""

import asyncio
import ssl

import pytest
import trustme

from agent.rpc import wire
from agent.rpc.codec import BY_NAME, decode_reply, encode_request
from agent.rpc.endpoints.kv import KvGet
from agent.rpc.peer_server import PeerLimits, PeerServer
from agent.rpc.security import Security, Terms
from raft.wire import PREAMBLE
from tests.agent.harness import until, within
from tests.agent.rpc.cluster import LOOPBACK, Cluster, blocking, hello, open_cluster, put

LIMITS = PeerLimits(handshake_timeout_s=0.2, connections_per_client_max=2)


@pytest.fixture
async def cluster():
    async with open_cluster(limits=LIMITS) as opened:
        yield opened


class Peer:
    """A bare socket that reads frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._frames = wire.FrameReader()
        self._read: list[wire.Frame] = []

    async def frame(self) -> wire.Frame:
        """The next frame; EOFError at the end."""
        async with asyncio.timeout(5):
            while not self._read:
                received = await self.reader.read(65536)
                if not received:
                    raise EOFError
                self._read += self._frames.feed(received)
        return self._read.pop(0)

    def send(self, *frames: wire.Frame) -> None:
        """Write frames."""
        self.writer.write(b"".join(map(wire.encode, frames)))

    async def reason(self) -> str:
        """Why the server ended the connection."""
        while True:
            frame = await self.frame()
            if isinstance(frame, wire.Error):
                assert frame.id == wire.CONNECTION_ID
                with pytest.raises((EOFError, ConnectionError)):
                    await self.frame()
                return frame.text


@pytest.fixture
async def connect(cluster: Cluster):
    peers: list[Peer] = []

    async def connected() -> Peer:
        port = cluster.known.known[0].port
        peers.append(Peer(*await asyncio.open_connection(LOOPBACK, port)))
        return peers[-1]

    yield connected
    for peer in peers:
        peer.writer.close()


async def test_a_server_says_who_it_is_and_answers(connect, cluster: Cluster):
    await cluster.router.call(put("a"))
    peer = await connect()

    peer.send(hello(), wire.Request(5, *encode_request(KvGet(key="a"))))

    assert await peer.frame() == hello("server-1", wire.Role.SERVER)
    answer = await peer.frame()
    assert isinstance(answer, wire.Reply)
    assert answer.id == 5
    assert decode_reply(BY_NAME["KVS.Get"], answer.body).value.value == b"x"


async def test_an_unknown_endpoint_is_refused_and_the_connection_lives(connect):
    peer = await connect()

    peer.send(hello(), wire.Request(1, "Nope.Get", b""), wire.Ping())

    await peer.frame()
    assert await peer.frame() == wire.Error(1, "RpcError", "rpc: can't find method Nope.Get")
    assert await peer.frame() == wire.Pong()


@pytest.mark.parametrize("name", ["KVS.Get", "KVS.Apply"])
async def test_a_body_that_cannot_be_read_is_refused_and_the_connection_lives(connect, name: str):
    peer = await connect()

    peer.send(hello(), wire.Request(1, name, b"\xc1"))
    await peer.frame()
    refused = await peer.frame()
    peer.send(wire.Ping())

    assert isinstance(refused, wire.Error)
    assert f"{name}: the request cannot be read" in refused.text
    assert await peer.frame() == wire.Pong()


async def test_a_malformed_frame_ends_the_connection(connect):
    peer = await connect()

    peer.send(hello())
    peer.writer.write(b"\x00\x00\x00\x01\xc0")

    assert "not a frame" in await peer.reason()


async def test_an_oversize_frame_ends_the_connection(connect):
    peer = await connect()

    peer.send(hello())
    peer.writer.write((wire.FRAME_BYTES_MAX + 1).to_bytes(4, "big"))

    assert "exceeds" in await peer.reason()


async def test_a_client_that_says_no_hello_is_left(connect):
    peer = await connect()

    assert await peer.reason() == "no hello in time"


async def test_an_agent_of_another_version_is_told_so(connect):
    peer = await connect()

    peer.send(wire.Hello("n", "i", "dc1", wire.Role.CLIENT, version=99))

    assert await peer.reason() == "protocol version 99; only 1 is spoken here"


async def test_connections_of_one_address_are_bounded(connect, cluster: Cluster):
    peers = [await connect() for _ in range(2)]
    for peer in peers:
        peer.send(hello())
        await peer.frame()
    one_more = await connect()

    reason = await one_more.reason()

    assert "at most 2 are allowed (limits.rpc_max_conns_per_client)" in reason
    assert cluster.servers[0].connection_count == 2
    peers[0].writer.close()
    await until(lambda: cluster.servers[0].connection_count == 1)
    again = await connect()
    again.send(hello(), wire.Ping())
    assert isinstance(await again.frame(), wire.Hello)


async def test_cancel_frees_what_a_blocking_read_holds(connect, cluster: Cluster):
    await cluster.router.call(put("a"))
    peer = await connect()
    peer.send(hello(), wire.Request(1, *encode_request(blocking("a", 1))))
    await until(lambda: cluster.router.blocked_count == 1)

    peer.send(wire.Cancel(1), wire.Ping())

    await until(lambda: cluster.router.blocked_count == 0)
    await peer.frame()
    assert await peer.frame() == wire.Pong()


async def test_a_peer_that_goes_away_frees_what_its_reads_hold(connect, cluster: Cluster):
    await cluster.router.call(put("a"))
    peer = await connect()
    peer.send(hello(), *(wire.Request(n, *encode_request(blocking("a", 1))) for n in (1, 2, 3)))
    await until(lambda: cluster.router.blocked_count == 3)

    peer.writer.close()

    await until(lambda: cluster.router.blocked_count == 0)
    assert cluster.servers[0].connection_count == 0


async def test_a_peer_that_reads_nothing_holds_up_only_itself(connect, cluster: Cluster):
    await cluster.router.call(put("a", bytes(500_000)))
    slow = await connect()
    slow.send(hello())
    await slow.frame()
    (accepted,) = next(iter(cluster.servers[0]._by_client.values()))
    slow.writer.transport.pause_reading()
    get = encode_request(KvGet(key="a"))
    for number in range(1, 501):
        slow.send(wire.Request(number, *get))
    await until(lambda: not accepted._writable.is_set())

    quick = await connect()
    quick.send(hello(), wire.Request(1, *get))
    await quick.frame()
    assert isinstance(await quick.frame(), wire.Reply)

    assert accepted._transport.get_write_buffer_size() < 8 * 1024 * 1024
    slow.writer.transport.resume_reading()
    ids = set()
    while len(ids) < 500:
        frame = await slow.frame()
        assert isinstance(frame, wire.Reply)
        ids.add(frame.id)


async def test_a_stopping_server_tells_its_peers(connect, cluster: Cluster):
    peer = await connect()
    peer.send(hello())
    await peer.frame()

    await within(cluster.servers[0].close())

    assert await peer.reason() == "the server is stopping"


async def test_a_connection_of_the_log_is_handed_over_untouched(connect, cluster: Cluster):
    server, taken = cluster.servers[0], asyncio.get_running_loop().create_future()
    server.accept_raft = lambda transport, received: taken.set_result((transport, received))
    peer = await connect()
    await until(lambda: server.connection_count == 1)

    peer.writer.write(PREAMBLE + b"\x00\x00")
    transport, received = await within(taken)

    assert received == PREAMBLE + b"\x00\x00"
    assert server.connection_count == 0, "it has limits of its own"
    transport.close()
    assert await within(peer.reader.read()) == b"", "nothing was said here"


async def test_a_connection_of_the_log_is_refused_where_there_is_none(connect):
    peer = await connect()

    peer.writer.write(PREAMBLE)

    assert "frame" in await peer.reason()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def named(cluster: Cluster, authority: trustme.CA):
    """A server that takes for a server only who has a server's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("server.dc1.consul").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    terms = Terms(incoming=context, is_plain_accepted=False, are_servers_named=True)
    server = PeerServer(
        cluster.router,
        hello("server-9", wire.Role.SERVER),
        cluster.tasks,
        count=cluster.count,
        security=Security("dc1", terms=terms),
    )
    server.accept_raft = lambda transport, _received: transport.write(b"taken")
    yield server
    await server.close()


async def shown(server: PeerServer, authority: trustme.CA, name: str) -> Peer:
    """A connection with a certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    authority.issue_cert(name).configure_cert(context)
    port = server.listen(LOOPBACK, 0)
    streams = await asyncio.open_connection(
        LOOPBACK, port, ssl=context, server_hostname="server.dc1.consul"
    )
    return Peer(*streams)


async def test_a_clients_certificate_is_good_for_a_client_and_not_for_a_server(
    named: PeerServer, authority: trustme.CA, cluster: Cluster
):
    client = await shown(named, authority, "client.dc1.consul")
    poser = await shown(named, authority, "client.dc1.consul")

    client.send(hello("node-b"))
    poser.send(hello("node-c", wire.Role.SERVER))

    assert isinstance(await client.frame(), wire.Hello)
    assert "the certificate is not for server.dc1.consul" in await poser.reason()
    assert cluster.counted["consul.rpc.connection_refused"] == 1
    client.writer.close()
    poser.writer.close()


@pytest.mark.parametrize(
    ("name", "answer"), [("server.dc1.consul", b"taken"), ("client.dc1.consul", b"")]
)
async def test_the_log_is_for_who_has_a_servers_certificate(
    named: PeerServer, authority: trustme.CA, name: str, answer: bytes
):
    peer = await shown(named, authority, name)

    peer.writer.write(PREAMBLE)

    try:
        assert await within(peer.reader.read(len(b"taken"))) == answer
    except ConnectionResetError:
        assert answer == b""
    peer.writer.close()
