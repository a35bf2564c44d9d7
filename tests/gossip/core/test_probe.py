"""One probe, step by step. SWIM §3.1; Lifeguard, arXiv:1707.00788."""

from gossip.core.effects import AnswerStream, OpenStream, SendPacket, Warn
from gossip.core.inputs import SendRefused, StreamAnswered, StreamRequested
from gossip.core.types import (
    Ack,
    Coordinate,
    IndirectPing,
    Nack,
    Ping,
    Suspect,
)
from tests.gossip.core.solo import Solo, address, alive, only, sent

HERE = Coordinate((0.0,) * 8, 1.5, 0.0, 1e-5)
QUIET = {"gossip_interval_s": 1e6, "push_pull_interval_s": 1e6}


def probing(*names: str, **settings) -> tuple[Solo, Ping]:
    """A node that has just pinged one of ``names``, and the ping."""
    one = Solo(**QUIET | settings)
    one.meet(*names)
    one.drain()
    effects = []
    while not sent(effects, Ping):
        deadline = one.node.next_deadline
        effects = one.advance(deadline - one.now)
    return one, sent(effects, Ping)[0][1]


def test_ping_names_its_target_and_its_source():
    one, ping = probing("b")

    assert Ping(1, "b", address(1), "a") == ping
    assert address(2) == sent(one.effects, Ping)[0][0]


def test_ack_in_time_ends_the_probe_and_heals_awareness():
    one, ping = probing("b")
    one.node._members.awareness.add(2)
    one.hear(Ack(ping.sequence, HERE))

    assert 1 == one.node.health_score
    assert [] == sent(one.advance(0.6), IndirectPing)


def test_direct_ack_gives_a_coordinate_sample_of_the_round_trip():
    one, ping = probing("b")
    one.now += 0.02
    one.hear(Ack(ping.sequence, HERE))

    assert "b" in one.node.coordinates.peers
    assert one.node.coordinates.coordinate.error < 1.5


def test_silence_asks_three_others_and_tries_tcp_after_the_timeout():
    one, ping = probing("b", "c", "d", "e", "f")
    assert [] == sent(one.advance(0.499), IndirectPing)

    effects = one.advance(0.002)

    asked = sent(effects, IndirectPing)
    assert 3 == len(asked)
    target = one.node.nodes.get(ping.node).address
    assert {(ping.sequence, target, ping.node, True)} == {
        (m.sequence, m.target, m.node, m.nack) for _, m in asked
    }
    assert target not in {to for to, _ in asked}
    stream = only(effects, OpenStream)[0]
    assert (target, Ping(ping.sequence, ping.node, address(1), "a")) == (stream.to, stream.message)


def test_relayed_ack_saves_the_target_without_a_sample():
    one, ping = probing("b", "c")
    one.advance(0.6)
    one.hear(Ack(ping.sequence))
    one.advance(0.2)

    assert "ALIVE" == one.state(ping.node)[0]
    assert {} == one.node.coordinates.peers


def test_late_direct_ack_gives_no_sample():
    one, ping = probing("b", "c")
    one.advance(0.6)
    one.hear(Ack(ping.sequence, HERE))

    assert {} == one.node.coordinates.peers


def test_tcp_answer_saves_the_target_and_is_reported():
    one, ping = probing("b")
    stream = only(one.advance(0.6), OpenStream)[0].stream
    one.step(StreamAnswered(stream, Ack(ping.sequence)))

    effects = one.advance(0.45)

    assert "ALIVE" == one.state("b")[0]
    assert ["only TCP reaches this node, check UDP"] == [w.what for w in only(effects, Warn)]


def test_tcp_answer_with_another_number_saves_nobody():
    one, ping = probing("b")
    stream = only(one.advance(0.6), OpenStream)[0].stream
    one.step(StreamAnswered(stream, Ack(ping.sequence + 1)))
    one.advance(0.45)

    assert "SUSPECT" == one.state("b")[0]


def test_no_tcp_ping_when_turned_off():
    one, _ = probing("b", tcp_pings=False)

    assert [] == only(one.advance(0.6), OpenStream)


def test_silence_to_the_end_is_a_suspicion_and_costs_health():
    one, ping = probing("b")
    one.advance(1.0)

    assert "SUSPECT" == one.state(ping.node)[0]
    assert 1 == one.node.health_score


def test_nacks_show_that_we_are_not_deaf():
    """Lifeguard: missing nacks cost health, received ones do not."""
    one, ping = probing("b", "c", "d", "e", "f")
    one.advance(0.6)
    one.hear(Nack(ping.sequence), Nack(ping.sequence))
    one.advance(0.35)
    assert 0 == one.node.health_score

    one.advance(0.06)
    assert 1 == one.node.health_score  # three were asked, two answered


def test_health_stretches_the_next_probe():
    one, ping = probing("b", "c")
    one.node._members.awareness.add(3)
    one.hear(Ack(ping.sequence))  # score 2
    effects = []
    while not sent(effects, Ping):
        effects = one.advance(0.01)
    started = one.now
    while one.node.health_score == 2:
        one.advance(0.05)

    assert 2.9 < one.now - started < 3.2


def test_suspect_is_told_with_the_ping():
    one, _ = probing("b")
    one.hear(Suspect(1, "b", "c"))

    effects = one.advance(2)

    packets = [p for p in only(effects, SendPacket) if isinstance(p.messages[0], Ping)]
    assert Suspect(1, "b", "a") == packets[-1].messages[1]
    assert 2 == len(packets[-1].messages)


def test_refused_send_says_nothing_about_the_target():
    one, ping = probing("b")
    one.step(SendRefused(ping.sequence))
    one.step(SendRefused(ping.sequence + 7))
    one.advance(0.9)

    assert "ALIVE" == one.state("b")[0]
    assert 0 == one.node.health_score


def test_probe_that_outlasts_its_interval_is_followed_at_once():
    one, ping = probing("b")
    one.advance(1.0)
    pings = sent(one.effects, Ping)

    assert [ping.sequence, ping.sequence + 1] == [m.sequence for _, m in pings]


def test_ping_is_answered_at_its_source_with_our_coordinate():
    one = Solo(**QUIET)

    assert [(address(7), Ack(5, one.node.coordinates.coordinate))] == sent(
        one.hear(Ping(5, "a", address(7), "b"), sender=address(8)), Ack
    )
    assert address(8) == sent(one.hear(Ping(6), sender=address(8)), Ack)[0][0]


def test_ping_for_another_name_is_not_answered():
    one = Solo(**QUIET)

    assert [] == sent(one.hear(Ping(5, "somebody")), Ack)


def test_acks_carry_no_coordinate_when_turned_off():
    one = Solo(**QUIET, coordinates=False)

    assert Ack(5, None) == sent(one.hear(Ping(5)), Ack)[0][1]


def test_tcp_ping_is_answered_without_a_coordinate():
    one = Solo(**QUIET)

    assert [AnswerStream(3, Ack(9))] == one.step(StreamRequested(3, Ping(9, "a")))
    assert [AnswerStream(4, None)] == one.step(StreamRequested(4, Ping(9, "x")))


def asked_to_probe(nack: bool) -> tuple[Solo, Ping]:
    one = Solo(**QUIET, probe_interval_s=1e6)
    one.drain()
    request = IndirectPing(77, address(5), "e", nack, address(9), "z")
    to, ping = sent(one.hear(request, sender=address(8)), Ping)[0]
    assert (address(5), "e", address(1)) == (to, ping.node, ping.source)
    return one, ping


def test_asked_peer_passes_the_ack_on_with_the_number_of_the_requester():
    one, ping = asked_to_probe(nack=True)
    one.advance(0.3)

    assert [(address(9), Ack(77))] == sent(one.hear(Ack(ping.sequence, HERE)), Ack)
    assert [] == sent(one.advance(1), Nack)


def test_asked_peer_says_when_the_target_is_silent_for_it_too():
    one, _ = asked_to_probe(nack=True)
    assert [] == sent(one.advance(0.499), Nack)

    assert [(address(9), Nack(77))] == sent(one.advance(0.002), Nack)


def test_asked_peer_is_silent_when_no_nack_is_wanted():
    one, _ = asked_to_probe(nack=False)

    assert [] == sent(one.advance(1), Nack)


def test_peer_takes_a_bounded_number_of_requests(monkeypatch):
    monkeypatch.setattr("gossip.core.probe.RELAYS_MAX", 2)
    one = Solo(**QUIET)
    effects = one.hear(*[IndirectPing(n, address(5), "e", True) for n in range(3)])

    assert 2 == len(sent(effects, Ping))
    assert ["too many indirect pings"] == [w.what for w in only(effects, Warn)]


def test_stray_answers_are_ignored():
    one = Solo(**QUIET)
    one.hear(alive("b", 2))

    assert [] == one.hear(Ack(1000, HERE)) + one.hear(Nack(1000))
