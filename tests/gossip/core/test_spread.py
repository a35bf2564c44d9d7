"""The gossip loop: whom it tells, and how much at a time."""

from collections import Counter

import msgspec

from gossip.core.effects import SendPacket
from gossip.core.spread import PACKETS_MAX
from gossip.core.types import Dead
from tests.gossip.core.solo import Solo, address, alive, only

QUIET = {"probe_interval_s": 1e6, "push_pull_interval_s": 1e6}


def test_quiet_node_gossips_nothing():
    one = Solo(**QUIET)
    one.meet("b")
    one.drain()

    assert [] == only(one.advance(5), SendPacket)


def test_news_goes_to_three_different_nodes_a_tick():
    one = Solo(**QUIET)
    one.meet("b", "c", "d", "e")

    packets = only(one.advance(0.2), SendPacket)

    assert 3 == len({packet.to for packet in packets}) == len(packets)
    assert address(1) not in {packet.to for packet in packets}


def test_packets_of_a_tick_are_marked_for_nodes_that_read_checksums():
    one = Solo(**QUIET)
    one.meet("b")

    assert all(packet.checksum for packet in only(one.advance(0.2), SendPacket))


def test_a_backlog_goes_to_each_node_in_several_packets_without_repeats():
    one = Solo(**QUIET)
    one.meet("b", "c", "d")
    one.drain()
    names = [f"node-{number:03}" for number in range(40)]
    one.hear(*[alive(name, last) for last, name in enumerate(names, 10)])
    one.node._around.config = msgspec.structs.replace(one.node._around.config, gossip_nodes=1)

    packets = only(one.advance(0.2), SendPacket)

    told = [message.node for packet in packets for message in packet.messages]
    assert 1 < len(packets) <= PACKETS_MAX
    assert len(told) == len(set(told)) == 40
    assert 1 == len({packet.to for packet in packets})


def test_a_burst_is_bounded():
    one = Solo(**QUIET)
    one.meet("b")
    one.hear(*[alive(f"node-{last:03}", last) for last in range(10, 250)])

    packets = only(one.advance(0.2), SendPacket)

    assert max(Counter(packet.to for packet in packets).values()) == PACKETS_MAX


def told_after(seconds: float) -> bool:
    """Whether the dead node b is told news ``seconds`` after its death."""
    one = Solo(**QUIET)
    one.meet("b")
    one.hear(Dead(1, "b", "c"))
    one.drain()
    one.advance(seconds)
    one.node._intents.announce_join()
    return address(2) in {packet.to for packet in only(one.advance(0.4), SendPacket)}


def test_dead_node_is_told_for_a_while_so_that_it_can_refute():
    """hashicorp/memberlist#106 and #99."""
    assert told_after(29)
    assert not told_after(31)


def test_node_that_left_is_told_nothing():
    one = Solo(**QUIET)
    one.meet("b")
    one.hear(Dead(1, "b", "b"))

    assert [] == only(one.advance(1), SendPacket)
