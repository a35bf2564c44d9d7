from gossip.core.broadcast import BroadcastQueue
from gossip.core.effects import SendPacket
from gossip.core.piggyback import Piggyback, packet_room_bytes
from gossip.core.sizes import message_bytes
from gossip.core.types import (
    Dead,
    JoinIntent,
    PacketMessage,
    Ping,
    UserEvent,
    UserMessage,
)
from tests.gossip.core.solo import address, alive, config, surroundings


def filled(*messages: PacketMessage, **settings) -> tuple[Piggyback, object]:
    around = surroundings(**settings)
    queues = [BroadcastQueue(4, lambda: 1000) for _ in range(4)]
    one = Piggyback(around, queues[0], tuple(queues[1:]))
    for message in messages:
        kind = 0
        if isinstance(message, UserMessage):
            kind = 1 if isinstance(message.message, JoinIntent) else 3
        queues[kind].add(message, message_bytes(message))
    return one, around


def event(size: int) -> UserMessage:
    return UserMessage(UserEvent(1, "e", bytes(size), coalesce=False))


def test_main_message_comes_first_and_news_rides_along():
    ping, news = Ping(1, "b"), alive("c", 3)
    one, around = filled(news)

    one.send(address(2), ping)

    assert [SendPacket(address(2), (ping, news))] == around.take_effects()


def test_order_is_membership_then_intents_then_events():
    news, intent, happened = alive("c", 3), UserMessage(JoinIntent(1, "c")), event(10)
    one, _ = filled(happened, intent, news)

    assert [news, intent, happened] == one.fill(0, 0)


def test_packet_with_everything_stays_within_its_limit():
    one, _ = filled(*[Dead(1, f"node-{n}", "accuser") for n in range(200)], event(300))

    main = Ping(1, "b")
    messages = [main, *one.fill(message_bytes(main), 1)]

    total = 2 + sum(2 + message_bytes(message) for message in messages)
    assert 1330 < total <= 1400


def test_encryption_and_labels_take_their_room():
    assert 1398 == packet_room_bytes(config())
    assert 1398 - 29 == packet_room_bytes(config(packet_overhead_bytes=29))


def test_storm_of_membership_news_does_not_starve_an_event():
    """hashicorp/memberlist#299."""
    happened = event(512)
    one, _ = filled(*[alive(f"node-{n}", 3) for n in range(1000)], happened)

    packets = [one.fill(0, 0) for _ in range(4)]

    assert any(happened in packet for packet in packets)


def test_empty_queues_give_empty_packets():
    one, _ = filled()

    assert one.is_empty()
    assert [] == one.fill(0, 0)
