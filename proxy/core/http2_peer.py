"""What the other end of an HTTP/2 connection said of itself. Source: RFC 9113 6.5, RFC 8441 3."""

from collections.abc import Iterable
from typing import Final

from proxy.core import http2_frames as frames
from proxy.core.http2_frames import Code, ConnectionFault, Setting
from proxy.core.http2_outbox import Outbox, Stream

STREAMS_UNTOLD_MAX: Final = 100  # opened at a peer that has not said yet how many it takes


class Peer:
    """``is_known``: the first settings came. ``takes_upgrades``: extended CONNECT."""

    __slots__ = ("is_client", "is_known", "streams_max", "takes_upgrades")

    def __init__(self, *, is_client: bool) -> None:
        self.is_client = is_client
        self.is_known = False
        self.streams_max = STREAMS_UNTOLD_MAX
        self.takes_upgrades = False

    def told(self, payload: bytes, outbox: Outbox, streams: Iterable[Stream]) -> None:
        """Follow SETTINGS, in their order. Raises ConnectionFault."""
        self.is_known = True
        for name, value in frames.read_settings(payload):
            match name:
                case Setting.HEADER_TABLE_SIZE:
                    outbox.encoder.resize(value)
                case Setting.ENABLE_PUSH:
                    if value > int(self.is_client):
                        raise ConnectionFault(Code.PROTOCOL_ERROR, "ENABLE_PUSH is not allowed")
                case Setting.MAX_CONCURRENT_STREAMS:
                    self.streams_max = value
                case Setting.INITIAL_WINDOW_SIZE:
                    _set_window(value, outbox, streams)
                case Setting.MAX_FRAME_SIZE:
                    if not frames.FRAME_BYTES_LEAST <= value < 2**24:
                        raise ConnectionFault(Code.PROTOCOL_ERROR, "MAX_FRAME_SIZE out of range")
                    outbox.frame_bytes_max = min(value, frames.FRAME_BYTES_MAX)
                case Setting.ENABLE_CONNECT_PROTOCOL:
                    if value > 1 or (self.takes_upgrades and not value):
                        raise ConnectionFault(Code.PROTOCOL_ERROR, "ENABLE_CONNECT_PROTOCOL")
                    self.takes_upgrades = bool(value)
                case _:
                    pass  # of no meaning here, or of none at all


def _set_window(value: int, outbox: Outbox, streams: Iterable[Stream]) -> None:
    """Change the windows of all streams, which may become negative."""
    if value > frames.WINDOW_BYTES_LIMIT:
        raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a window over 2^31 - 1")
    change = value - outbox.stream_window_bytes
    outbox.stream_window_bytes = value
    for stream in streams:
        stream.send_left += change
        if stream.send_left > frames.WINDOW_BYTES_LIMIT:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a window over 2^31 - 1")
