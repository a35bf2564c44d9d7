"""Both ends with the `h2` library as the peer, and with a peer that says anything."""

from typing import get_args

import h2.events
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.http2 import ClientEnd, Limits, ServerEnd
from proxy.core.http2_end import End
from proxy.core.http2_events import Answered, BodyPart, Broken, Ended, Event, Requested, Unreadable
from proxy.core.http2_fields import response_fields
from proxy.core.http2_frames import Code
from proxy.http import RequestHead, ResponseHead
from tests.proxy import http2_speech as speech
from tests.proxy.odd_http2 import ODD

BIG = bytes(range(256)) * 12_000  # three windows of the connection's first size
OK = ResponseHead(status=200, headers=[(b"x-a", b"b")])


class Peers:
    """The library and an end of ours, which says what it heard."""

    def __init__(self, end: End) -> None:
        self.end = end
        self.library = H2Connection(H2Configuration(client_side=not end.is_client))
        self.library.initiate_connection()
        end.begin()
        self.told: list[h2.events.Event] = []
        self.talk()
        self.told.clear()

    def talk(self) -> list[Event]:
        """Carry bytes to and fro until both are silent."""
        events: list[Event] = []
        while True:
            ours, theirs = self.end.take(), self.library.data_to_send()
            if not ours and not theirs:
                return events
            if theirs:
                events += self.end.receive(theirs, 0.0)
            if ours:
                self._hear(ours)
            for event in events:
                if isinstance(event, BodyPart):
                    self.end.consume(event.stream_id, event.window_bytes)

    def _hear(self, ours: bytes) -> None:
        for event in self.library.receive_data(ours):
            self.told.append(event)
            if isinstance(event, h2.events.DataReceived):
                self.library.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )

    def received(self) -> bytes:
        parts = [event for event in self.told if isinstance(event, h2.events.DataReceived)]
        return b"".join(part.data for part in parts)


def server() -> Peers:
    return Peers(ServerEnd(Limits()))


def client() -> Peers:
    return Peers(ClientEnd(Limits()))


def ask(method: bytes = b"GET", **fields: object) -> RequestHead:
    base = {"scheme": b"http", "authority": b"web", "target": b"/x", "headers": []}
    return RequestHead(**{**base, **fields}, method=method)


def test_the_library_asks_and_is_answered():
    peers = server()
    peers.library.send_headers(1, [*speech.GET, (b"user-agent", b"me")], end_stream=True)

    (event,) = peers.talk()
    peers.end.answer(1, response_fields(OK), end=False)
    peers.end.data(1, b"hello")
    peers.end.end(1, [(b"t", b"1")])
    peers.talk()

    head = ask(target=b"/", headers=[(b"user-agent", b"me")], version="2")
    assert Requested(1, head, end=True) == event
    names = [type(event).__name__ for event in peers.told]
    assert ["ResponseReceived", "DataReceived", "TrailersReceived", "StreamEnded"] == names
    assert b"hello" == peers.received()
    assert {} == peers.end.streams


def test_a_big_body_comes_whole_from_the_library():
    peers, left, events = server(), BIG, []
    peers.library.send_headers(1, [*speech.POST, (b"content-length", b"%d" % len(BIG))])

    while left:
        events += peers.talk()
        size = min(peers.library.local_flow_control_window(1), 16_384, len(left))
        peers.library.send_data(1, left[:size], end_stream=size == len(left))
        left = left[size:]
    events += peers.talk()

    assert BIG == b"".join(e.chunk for e in events if isinstance(e, BodyPart))
    assert Ended(1, []) == events[-1]


def test_a_big_body_goes_whole_to_the_library():
    peers = server()
    peers.library.send_headers(1, speech.GET, end_stream=True)
    peers.talk()

    peers.end.answer(1, response_fields(OK), end=False)
    for start in range(0, len(BIG), 100_000):
        peers.end.data(1, BIG[start : start + 100_000])
        peers.talk()
    peers.end.end(1, [])
    peers.talk()

    assert BIG == peers.received()
    assert isinstance(peers.told[-1], h2.events.StreamEnded)


def test_we_ask_the_library_and_read_its_answer():
    peers = client()
    stream_id, size = peers.end.open(ask(b"POST", has_body=True), end=False)
    peers.end.data(stream_id, b"body")
    peers.end.end(stream_id, [(b"t", b"1")])
    peers.talk()

    peers.library.send_headers(1, [(b":status", b"103")])
    peers.library.send_headers(1, [(b":status", b"200"), (b"content-length", b"5")])
    peers.library.send_data(1, b"hello")
    peers.library.send_headers(1, [(b"grpc-status", b"0")], end_stream=True)
    events = peers.talk()

    assert (1, True) == (stream_id, size > 9)
    assert b"body" == peers.received()
    assert [103, 200] == [e.head.status for e in events if isinstance(e, Answered)]
    assert [BodyPart(1, b"hello", 5), Ended(1, [(b"grpc-status", b"0")])] == events[2:]
    assert {} == peers.end.streams


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 304), (b"GET", 204)])
def test_an_answer_without_a_body_may_have_a_length(method, status):
    peers = client()
    peers.end.open(ask(method), end=True)
    peers.talk()
    fields = [(b":status", b"%d" % status), (b"content-length", b"5")]

    peers.library.send_headers(1, fields, end_stream=True)

    (event,) = peers.talk()
    assert (status, True) == (event.head.status, event.end)


def test_an_answer_to_head_with_a_body_is_broken():
    end = ClientEnd(Limits())
    end.open(ask(b"HEAD"), end=True)
    answer = speech.frame(1, 4, 1, speech.block((b":status", b"200")))

    events = end.receive(speech.settings() + answer + speech.frame(0, 1, 1, b"x"), 0.0)

    assert (1, Code.PROTOCOL_ERROR) == (events[-1].stream_id, events[-1].code)
    assert isinstance(events[-1], Broken)


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (5, [(b":status", b"103")]),
        (5, [(b":status", b"200"), (b"content-length", b"3")]),
        (4, [(b":status", b"101")]),
        (4, [(b":status", b"200"), (b"connection", b"close")]),
        (4, [(b":status", b"200"), *[(b"a", b"b")] * 401]),
    ],
)
def test_a_malformed_answer_costs_its_stream_only(flags, fields):
    end = ClientEnd(Limits())
    end.open(ask(), end=True)
    end.open(ask(), end=True)

    events = end.receive(speech.settings() + speech.frame(1, flags, 1, speech.block(*fields)), 0.0)

    assert isinstance(events[-1], Broken)
    assert [3] == list(end.streams)


def test_a_request_that_came_before_is_read_anew_for_each_stream():
    peers = server()
    for stream_id in (1, 3, 5):
        peers.library.send_headers(stream_id, speech.GET, end_stream=stream_id != 5)

    first, second, third = peers.talk()[-3:]
    first.head.headers.append((b"a", b"b"))

    assert ([], False) == (second.head.headers, second.head.has_body)
    assert ([], True) == (third.head.headers, third.head.has_body)


def test_the_library_opens_an_extended_connect():
    peers = server()
    fields = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *speech.GET[1:]]
    peers.library.send_headers(1, fields)

    (event,) = peers.talk()

    assert (b"GET", b"websocket") == (event.head.method, event.head.upgrade)
    assert 1 == peers.library.remote_settings.enable_connect_protocol


def test_a_tunnel_that_nobody_could_decide_on_is_answered_and_not_opened():
    peers = server()
    for stream_id, protocol in ((1, b"h2c"), (3, b"connect-udp")):
        fields = [(b":method", b"CONNECT"), (b":protocol", protocol), *speech.GET[1:]]
        peers.library.send_headers(stream_id, fields)

    events = peers.talk()

    assert [(Unreadable, 501)] * 2 == [(type(event), event.status) for event in events]


def test_streams_run_out():
    end = ClientEnd(Limits())
    end.last_id = 2**31 - 3

    assert 1 == end.ids_left
    end.open(ask(), end=True)
    assert 0 == end.ids_left


SAID = st.sampled_from(
    [odd.spoken for odd in ODD if len(odd.spoken) < 500]
    + [speech.request(number) for number in (1, 3, 5, 7)]
    + [speech.request(number, *speech.POST, end=False) for number in (1, 3, 9, 11)]
    + [speech.frame(0, 0, number, b"abc") for number in (1, 3, 9)]
    + [speech.frame(0, 1, number, b"abc") for number in (1, 3, 9)]
    + [speech.frame(1, 4, number, speech.block((b":status", b"200"))) for number in (1, 3)]
    + [speech.frame(3, 0, number, bytes(4)) for number in (1, 3, 9)]
)
DONE = st.sampled_from(["head", "last", "data", "end", "reset", "consume", "hold", "release", "go"])
ANY_FRAME = st.tuples(
    st.integers(0, 12), st.integers(0, 255), st.integers(0, 12), st.binary(max_size=9)
)
STEPS = st.lists(st.one_of(SAID, DONE, st.binary(max_size=30), ANY_FRAME), max_size=25)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.booleans())
def test_whatever_comes_and_is_done_only_events_come_of_it(steps, is_client):
    end = ClientEnd(Limits()) if is_client else ServerEnd(Limits(streams_max=3))
    end.begin()
    end.receive((b"" if is_client else speech.PREFACE) + speech.settings(), 0.0)
    for step in steps:
        if isinstance(step, bytes | tuple):
            spoken = step if isinstance(step, bytes) else speech.frame(*step)
            events = end.receive(spoken, 1.0) if spoken else []
            assert all(isinstance(event, get_args(Event)) for event in events)
        else:
            _do(end, step)
        speech.parted(end.take().removeprefix(speech.PREFACE))  # whole frames only
    assert all(not (s.is_local_done and s.is_remote_done) for s in end.streams.values())


def _do(end: End, step: str) -> None:
    if end.is_dead:
        return
    stream_id = next(iter(end.streams), 1)
    match step:
        case "head" | "last":
            if isinstance(end, ClientEnd):
                end.open(ask(), end=step == "last")
            else:
                end.answer(stream_id, response_fields(OK), end=step == "last")
        case "data":
            end.data(stream_id, b"abc")
        case "end":
            end.end(stream_id, [])
        case "reset":
            end.reset(stream_id, Code.CANCEL)
        case "consume":
            end.consume(stream_id, 3)
        case "hold":
            end.hold()
        case "release":
            end.release()
        case "go":
            end.go_away()
