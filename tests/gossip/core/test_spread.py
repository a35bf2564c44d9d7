from gossip.core.effects import SendPacket
from gossip.core.types import Dead
from tests.gossip.core.solo import Solo, address, only

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
