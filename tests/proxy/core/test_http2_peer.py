import pytest

from proxy.core.http2_frames import FRAME_BYTES_MAX, Code, ConnectionFault
from proxy.core.http2_outbox import Outbox, Stream
from proxy.core.http2_peer import Peer
from tests.proxy.http2_speech import settings


def told(peer: Peer, outbox: Outbox, opened: tuple[Stream, ...] = (), **values: int) -> None:
    peer.told(settings(**values)[9:], outbox, opened)


def test_settings_are_followed():
    peer, outbox = Peer(is_client=False), Outbox()

    told(peer, outbox, streams=7, connect=1, frame=20_000, push=0, list=1)

    assert (True, 7, True) == (peer.is_known, peer.streams_max, peer.takes_upgrades)
    assert 20_000 == outbox.frame_bytes_max


def test_our_frames_stay_small_even_if_the_peer_takes_larger_ones():
    outbox = Outbox()

    told(Peer(is_client=True), outbox, frame=2**24 - 1)

    assert FRAME_BYTES_MAX == outbox.frame_bytes_max


def test_a_smaller_window_may_leave_streams_less_than_nothing():
    stream, outbox = Stream(1, 65_535, 0), Outbox()
    stream.send_left = 100

    told(Peer(is_client=True), outbox, (stream,), window=10)

    assert 100 - 65_525 == stream.send_left
    assert 10 == outbox.stream_window_bytes


def test_windows_that_grow_over_the_limit_are_a_fault():
    stream = Stream(1, 2**31 - 1, 0)

    with pytest.raises(ConnectionFault) as fault:
        told(Peer(is_client=True), Outbox(), (stream,), window=65_536)

    assert Code.FLOW_CONTROL_ERROR == fault.value.code


def test_a_server_may_not_ask_to_push():
    told(Peer(is_client=True), Outbox(), push=1)
    with pytest.raises(ConnectionFault):
        told(Peer(is_client=False), Outbox(), push=1)


def test_extended_connect_cannot_be_taken_back():
    peer, outbox = Peer(is_client=False), Outbox()
    told(peer, outbox, connect=1)

    with pytest.raises(ConnectionFault):
        told(peer, outbox, connect=0)
