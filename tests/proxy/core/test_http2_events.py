from typing import get_args

from proxy.core.http2 import ClientEnd, Limits
from proxy.core.http2_events import Event
from proxy.http import RequestHead
from tests.proxy import http2_speech as speech


def test_each_event_is_told_of_something():
    server = speech.greeted(Limits(header_count_max=9), window=0)
    client = ClientEnd(Limits())
    client.open(
        RequestHead(method=b"GET", scheme=b"http", authority=b"web", target=b"/", headers=[]),
        end=True,
    )
    told = client.receive(
        speech.settings() + speech.frame(1, 4, 1, speech.block((b":status", b"200"))), 0.0
    )

    told += server.receive(
        speech.request(1, *speech.POST, end=False)
        + speech.frame(0, 1, 1, b"abc")
        + speech.request(3, *speech.GET, *[(b"a", b"b")] * 9)
        + speech.frame(3, 0, 3, speech.number(8))
        + speech.frame(6, 1, 0, bytes(8))
        + speech.frame(7, 0, 0, bytes(8)),
        0.0,
    )
    server.answer(1, [(b":status", b"200")], end=False)
    server.data(1, bytes(65_536))
    told += server.receive(speech.frame(8, 0, 1, speech.number(65_000)), 0.0)
    told += server.receive(speech.frame(6, 0, 1), 0.0)

    assert {event.__name__ for event in get_args(Event)} == {type(e).__name__ for e in told}
