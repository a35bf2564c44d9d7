import errno
import secrets
from pathlib import Path
from random import Random

import pytest

from agent.clock import monotonic_s
from agent.tasks import Tasks
from gossip.core.config import local
from gossip.core.effects import Effect
from gossip.core.inputs import ChangeKeyring, Event, SetTags, Start, Woke
from gossip.core.node import GossipNode
from gossip.core.policy import OpenPolicy
from gossip.core.types import (
    Ack,
    Address,
    Alive,
    Incarnation,
    LamportTime,
    PacketMessage,
    Ping,
    Query,
    QueryFlag,
    QueryResponse,
    Status,
    UserMessage,
    Versions,
)
from gossip.drops import Drops
from gossip.endpoints import Endpoints
from gossip.engine import Engine, Outside
from gossip.errors import GossipError
from gossip.surroundings import Surroundings
from gossip.wire.envelope import Wrapping, open_packet, seal_packets
from gossip.wire.keyring import Keyring
from gossip.wire.messages import decode_packet, encode_packet
from gossip.wire.payloads import WirePayloads
from tests.gossip.nodes import Heard, until

US = Address(bytes((127, 0, 0, 1)), 7946)
PEER = Address(bytes((127, 0, 0, 2)), 7946)
KEY, OTHER_KEY = bytes(16), bytes(range(16))
PLAIN = Wrapping(keyring=Keyring())


class SilentNetwork(Endpoints):
    """Keeps the packets that were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[bytes, Address]] = []
        self.refusal: OSError | None = None

    def send(self, packet: bytes, to: Address) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.sent.append((packet, to))

    def messages(self, wrapping: Wrapping = PLAIN) -> list[PacketMessage]:
        """Everything sent so far, unwrapped; forgotten with this call."""
        packets, self.sent = self.sent, []
        return [
            decode_packet(bare)
            for packet, _ in packets
            for bare in open_packet(packet, wrapping).messages
        ]


class Running:
    """An engine on a network that keeps everything, with a clock that stands still."""

    def __init__(
        self,
        keyring_path: Path | None = None,
        keys: tuple[bytes, ...] = (),
        packet_bytes_max: int = 1400,
    ) -> None:
        self.now = 0.0
        self.network = SilentNetwork()
        self.heard = Heard("us")
        self.drops = Drops("us", monotonic_s)
        self.wrapping = Wrapping(keyring=Keyring(*keys), packet_bytes_max=packet_bytes_max)
        surroundings = Surroundings(
            monotonic_s=lambda: self.now,
            rng=Random(1),
            nonce=lambda: secrets.token_bytes(12),
            start_task=Tasks().start,
        )
        node = GossipNode(
            local("us", US, keys=keys, coordinates=False),
            surroundings.rng,
            0.0,
            payloads=WirePayloads(),
            policy=OpenPolicy(),
        )
        outside = Outside(
            endpoints=self.network,
            keyring_path=keyring_path,
            snapshot=None,
            listener=self.heard,
            drops=self.drops,
        )
        self.engine = Engine(node, self.wrapping, outside, surroundings)
        self.engine.handle(Start())

    def receive(self, *messages: PacketMessage) -> None:
        """Take a packet of the peer."""
        bare = [encode_packet(message) for message in messages]
        for packet in seal_packets(
            bare, self.wrapping, lambda: secrets.token_bytes(12), checksum=True
        ):
            self.engine.packet(packet, PEER)

    def meet_peer(self) -> None:
        versions = Versions(1, 5, 2, 2, 5, 5)
        self.receive(Alive(Incarnation(1), "peer", PEER, b"", versions))

    def statuses(self) -> dict[str, Status]:
        return {member.name: member.status for member in self.engine.node.members}


async def test_ping_is_answered_within_the_call_that_brought_it() -> None:
    running = Running()

    running.receive(Ping(7, "us"))

    assert Ack(7) in running.network.messages()


async def test_good_parts_of_a_packet_count_beside_a_bad_one() -> None:
    running = Running()
    bad = b"\x00not msgpack"
    packet = seal_packets([bad, encode_packet(Ping(7))], PLAIN, bytes, checksum=False)[0]

    running.engine.packet(packet, PEER)

    assert Ack(7) in running.network.messages()
    assert 1 == running.drops.counts.total()


async def test_unknown_part_of_a_compound_is_counted_and_the_rest_is_taken() -> None:
    running = Running()
    packet = seal_packets([b"\xf0", encode_packet(Ping(7))], PLAIN, bytes, checksum=False)[0]

    running.engine.packet(packet, PEER)

    assert Ack(7) in running.network.messages()
    assert {"packet part unsupported": 1} == running.drops.counts


async def test_message_over_the_size_of_a_packet_is_dropped() -> None:
    running = Running(packet_bytes_max=24)

    packet = seal_packets([encode_packet(Ping(7))], PLAIN, bytes, checksum=False)[0]
    running.engine.packet(packet, PEER)

    assert [] == running.network.messages()
    assert {"sending oversized": 1} == running.drops.counts


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "packet empty"),
        (b"\xff", "packet unsupported"),
        (b"\x0c\0\0\0\0x", "packet checksum"),
        (b"\x07\x05", "packet truncated"),
        (b"\xf4\x01a\x00", "packet label"),
    ],
)
async def test_bad_packet_is_dropped_and_counted(datagram: bytes, reason: str) -> None:
    running = Running()

    running.engine.packet(datagram, PEER)

    assert {reason: 1} == running.drops.counts
    assert [] == running.network.messages()


async def test_plain_packet_to_a_secret_pool_is_dropped() -> None:
    running = Running(keys=(KEY,))
    plain = seal_packets([encode_packet(Ping(7))], PLAIN, bytes, checksum=False)[0]

    running.engine.packet(plain, PEER)

    assert [] == running.network.messages(running.wrapping)
    assert 1 == running.drops.counts.total()


async def test_response_of_the_listener_within_its_call_is_sent() -> None:
    running = Running()
    running.meet_peer()
    running.network.messages()

    query = Query(LamportTime(1), 5, PEER, "peer", (), QueryFlag.NO_BROADCAST, 0, 10**9, "who", b"")
    running.receive(UserMessage(query))

    response = QueryResponse(LamportTime(1), 5, "us", QueryFlag.NONE, b"us")
    assert UserMessage(response) in running.network.messages()


async def test_refused_ping_makes_nobody_suspect() -> None:
    running = Running()
    running.meet_peer()
    running.network.refusal = OSError(errno.ENETUNREACH, "Network is unreachable")

    for _ in range(40):
        running.now += 0.25
        running.engine.handle(Woke())

    assert Status.ALIVE is running.statuses()["peer"]
    assert 0 == running.engine.node.health_score
    assert running.drops.counts["send refused"] > 0


async def test_new_key_is_used_although_the_disk_refuses_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    running = Running(tmp_path / "file" / "keyring", keys=(KEY,))

    running.engine.handle(ChangeKeyring(1, "install", OTHER_KEY))
    running.wrapping = Wrapping(keyring=Keyring(OTHER_KEY))
    running.receive(Ping(7))

    assert Ack(7) in running.network.messages(Wrapping(keyring=Keyring(KEY)))
    assert 1 == running.drops.counts["keyring file not written"]
    assert "a restart would use older keys" in caplog.text


async def test_timers_go_on_after_a_step_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running()
    running.meet_peer()
    running.network.messages()

    def fail(_event: Event, _now: float) -> list[Effect]:
        raise AssertionError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(running.engine.node, "step", fail)
        with pytest.raises(AssertionError, match="a bug"):
            running.receive(Ping(7))
    running.now = 2.0
    running.receive(Ping(8))
    running.network.messages()
    running.now = 4.0

    await until(lambda: bool(running.network.sent), "a timer rings")


async def test_stopped_engine_takes_nothing_and_fails_who_waits() -> None:
    running = Running()
    request = running.engine.requests.open()

    running.engine.stop("over")
    running.receive(Ping(7))
    running.engine.handle(SetTags(request, {}))

    assert [] == running.network.messages()
    assert await running.engine.answer(Ping(1)) is None
    with pytest.raises(GossipError, match="over"):
        await running.engine.requests.outcome(request)


async def test_stream_request_gets_the_answer_of_the_core() -> None:
    assert Ack(3) == await Running().engine.answer(Ping(3, "us"))
