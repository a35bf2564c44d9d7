"""Kept answers: found by their bytes, gone with their rows, bounded."""

from collections.abc import Callable
from random import Random

from agent.dns import wire
from agent.dns.answer import Reply
from agent.dns.cache import AnswerCache
from agent.dns.packet import Packet, room_for
from agent.dns.settings import DnsSettings


def make_packet() -> Packet:
    query = wire.Query(id=1, name=(b"web",), kind=wire.A)
    settings = DnsSettings()
    return Packet(query, Reply(), room_for(query, "udp", settings), settings, Random(1))


class Watch:
    """A subscription that counts what is registered."""

    def __init__(self, *, fires_at_once: bool = False) -> None:
        self.callbacks: list[Callable[[], None]] = []
        self._fires_at_once = fires_at_once

    def __call__(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        if self._fires_at_once:
            callback()

        def cancel() -> None:
            if callback in self.callbacks:
                self.callbacks.remove(callback)

        return cancel


def test_kept_answer_is_found_until_any_of_its_rows_change() -> None:
    cache, first, second, packet = AnswerCache(), Watch(), Watch(), make_packet()
    cache.keep(b"q", packet, (first, second), generation=0)
    assert cache.find(b"q") is packet

    second.callbacks[0]()

    assert cache.find(b"q") is None
    assert first.callbacks == []
    assert cache.size_bytes == 0


def test_answer_that_changed_before_it_was_kept_is_not_kept() -> None:
    cache, late, never = AnswerCache(), Watch(fires_at_once=True), Watch()

    cache.keep(b"q", make_packet(), (late, never), generation=0)

    assert cache.find(b"q") is None
    assert late.callbacks == never.callbacks == []


def test_old_watch_does_not_drop_a_newer_answer() -> None:
    cache, old, new, newer = AnswerCache(), Watch(), Watch(), make_packet()
    cache.keep(b"q", make_packet(), (old,), generation=0)
    drop_old = old.callbacks[0]
    cache.keep(b"q", newer, (new,), generation=0)

    drop_old()

    assert cache.find(b"q") is newer
    assert old.callbacks == []


def test_clear_forgets_all_and_refuses_answers_begun_before() -> None:
    cache, watch = AnswerCache(), Watch()
    cache.keep(b"q", make_packet(), (watch,), generation=0)

    cache.clear()
    cache.keep(b"late", make_packet(), (), generation=0)

    assert len(cache) == 0
    assert watch.callbacks == []


def test_oldest_goes_first_when_there_are_too_many_and_its_watch_is_given_back() -> None:
    cache, watches = AnswerCache(entries_max=2), [Watch() for _ in range(3)]

    for n, watch in enumerate(watches):
        cache.keep(bytes((n,)), make_packet(), (watch,), generation=0)

    assert [cache.find(bytes((n,))) is not None for n in range(3)] == [False, True, True]
    assert [len(watch.callbacks) for watch in watches] == [0, 1, 1]


def test_bytes_are_bounded_and_one_too_large_is_not_kept() -> None:
    packet = make_packet()
    cache = AnswerCache(bytes_max=packet.size_bytes * 3)

    for n in range(9):
        cache.keep(bytes((n,)), make_packet(), (), generation=0)
    assert 0 < cache.size_bytes <= packet.size_bytes * 3

    small = AnswerCache(bytes_max=packet.size_bytes - 1)
    small.keep(b"q", packet, (), generation=0)
    assert len(small) == 0
