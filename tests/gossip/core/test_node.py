from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from gossip.core.config import lan
from gossip.core.effects import Completed, OpenStream, SendPacket
from gossip.core.inputs import JoinTarget, PacketReceived, SendEvent, Start, Woke
from gossip.core.node import GossipNode
from gossip.core.policy import OpenPolicy
from gossip.core.snapshot import Replay
from gossip.core.types import Address, Dead, JoinIntent, Suspect, UserMessage
from gossip.wire.messages import encode_packet
from tests.gossip.core.solo import PAYLOADS, Solo, address, alive, only
from tests.gossip.core.test_sizes import messages


def test_start_joins_members_of_the_last_run_until_one_answers():
    one = Solo(start=False)
    targets = tuple(JoinTarget(address(n), f"n{n}") for n in (2, 3))
    me = JoinTarget(address(1), "a")

    effects = one.step(Start(6, (*targets, me)))

    streams = only(effects, OpenStream)
    assert 1 == len(streams)
    assert streams[0].to in {address(2), address(3)}


def test_time_does_not_go_back():
    one = Solo()
    one.now = 10.0
    one.step(Woke())
    one.now = 5.0
    one.step(Woke())

    assert 10.0 == one.node._around.now


def test_deadline_is_always_ahead_after_a_step():
    one = Solo()
    one.meet("b")
    for _ in range(200):
        one.advance(one.node.next_deadline - one.now)
        assert one.node.next_deadline > one.now


def test_before_the_start_there_is_nothing_to_wait_for():
    assert None is Solo(start=False).node.next_deadline


def test_own_mapped_address_is_normal():
    mapped = Address(bytes(10) + b"\xff\xff" + address(1).ip, 7946)
    node = GossipNode(lan("a", mapped), Random(1), 0.0, payloads=PAYLOADS, policy=OpenPolicy())
    node.step(Start(), 0.0)

    assert address(1) == node.members[0].address


def test_restart_continues_the_clocks_of_the_last_run():
    one = Solo(history=Replay(alive={}, time=40, event_time=50, query_time=60))
    one.step(SendEvent(1, "e", b""))

    assert 51 == one.node._events._ring[51][0]


def test_what_the_driver_may_look_at():
    one = Solo(keys=(b"1" * 16,))

    assert ["a"] == [member.name for member in one.node.members]
    assert 0 == one.node.health_score
    assert (b"1" * 16,) == one.node.keys
    assert {"membership": 1, "intents": 0, "queries": 0, "events": 0} == one.node.queue_depths
    assert 1 == len(one.node.nodes)


def test_same_inputs_give_the_same_effects():
    def story() -> list:
        one = Solo()
        one.meet("b", "c", "d", "e")
        one.hear(Suspect(1, "b", "c"), Dead(1, "c", "d"), UserMessage(JoinIntent(4, "d")))
        one.step(SendEvent(1, "e", b""))
        one.advance(40)
        return one.effects

    assert story() == story()


def test_packets_never_exceed_their_limit():
    from tests.sim.gossip.world import HEADER_BYTES, packet_bytes

    one = Solo()
    for last in range(2, 60):
        one.hear(alive(f"node-{last}", last))
        one.step(SendEvent(1, f"event-{last}", bytes(last)))

    sizes = [packet_bytes(packet) for packet in only(one.advance(5), SendPacket)]
    assert max(sizes) <= 1400 + 5  # the checksum's header is not reckoned, as in memberlist
    assert HEADER_BYTES == 28


@settings(max_examples=60)
@given(st.lists(messages, max_size=20))
def test_no_message_from_the_network_raises_or_makes_us_say_what_cannot_be_encoded(packets):
    one = Solo()
    one.meet("b", "c")
    for message in packets:
        one.step(PacketReceived(message, address(9)))
        one.advance(0.3)
    one.step(SendEvent(1, "e", b""))
    one.step(SendEvent(2, "e", b""))
    one.advance(1)

    for packet in only(one.effects, SendPacket):
        for message in packet.messages:
            encode_packet(message)
    assert 2 == len(only(one.effects, Completed))
