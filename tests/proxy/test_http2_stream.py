from typing import Any

from proxy.connection import Carrier
from proxy.core.http2_events import BodyPart, Ended
from proxy.core.http2_frames import Code
from proxy.http2_stream import FLUSH_BYTES_MAX, Link, Part, StreamIntake
from tests.proxy.http2_speech import GET, POST, frame, greeted, heard, number, request
from tests.proxy.http2_world import Clock, Wire


class Taker(StreamIntake):
    def __init__(self, link: Link, stream_id: int) -> None:
        super().__init__(link, stream_id)
        self.taken: list[Part] = []

    def deliver(self, part: Part) -> None:
        self.taken.append(part)


def linked() -> tuple[Link, Wire, Clock, list[str]]:
    clock, wire, flushed = Clock(), Wire(), []
    link = Link(greeted(window=2**20), clock.call_later, lambda: flushed.append("flushed"))
    carrier: Carrier = wire
    link.carrier = carrier
    return link, wire, clock, flushed


def test_what_is_said_in_a_turn_is_one_write_after_it():
    link, wire, clock, flushed = linked()

    link.end.ping(bytes(8))
    link.flush_soon()
    link.end.ping(bytes(8))
    link.flush_soon()
    before = wire.written
    clock.advance()

    assert (b"", 34, ["flushed"]) == (before, len(wire.written), flushed)


def test_what_is_said_while_reading_is_left_to_the_reader():
    link, wire, clock, flushed = linked()
    link.is_reading = True

    link.end.ping(bytes(8))
    link.flush_soon()
    clock.advance()

    assert (b"", []) == (wire.written, flushed)


def test_much_of_a_body_is_written_at_once():
    link, wire, _, _ = linked()
    heard(link.end, request(1, *GET) + frame(8, 0, 0, number(2**20)))
    end: Any = link.end
    end.answer(1, [(b":status", b"200")], end=False)

    for _ in range(FLUSH_BYTES_MAX // 16_384):
        end.data(1, bytes(16_384))
        link.flush_soon()

    assert len(wire.written) > FLUSH_BYTES_MAX


def test_parts_wait_while_paused_and_their_window_stays_shut():
    link, _, _, _ = linked()
    heard(link.end, request(1, *POST, end=False))
    taker = Taker(link, 1)
    parts = [BodyPart(1, bytes(10), 600_000), Ended(1, [])]

    taker.pause()
    for part in parts:
        taker.take(part)
    waiting = (list(taker.taken), link.end.take())
    taker.resume()

    assert ([], b"") == waiting
    assert parts == taker.taken
    assert number(600_000) in link.end.take()


def test_what_is_dropped_gives_its_window_back():
    link, _, _, _ = linked()
    taker = Taker(link, 1)
    taker.pause()
    taker.take(BodyPart(1, b"", 3_000_000))
    taker.take(Ended(1, []))

    taker.drop()
    taker.resume()

    assert [] == taker.taken
    assert number(3_000_000) in link.end.take()
    link.end.reset(1, Code.CANCEL)
