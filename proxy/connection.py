"""What the parts of a worker see of a connection, whatever carries it.

A carrier (plain or TLS, accepted or dialled) drives a `Handler` with the calls of
``asyncio.Protocol``, and gives it a `Carrier` to write to. So a handler is tested without a socket,
and the carrier can be whatever is fastest.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Who showed a certificate: its SPIFFE URI and what that names, and its serial number.

    ``serial`` is written as the API does (``0a:1b``); ``service`` is empty for what is no service.
    """

    uri: str
    trust_domain: str = ""
    datacenter: str = ""
    service: str = ""
    serial: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an accepted connection before its first byte of content."""

    listener: str
    remote: str
    local: str = ""
    peer: Peer | None = None
    server_name: str = ""
    alpn: str = ""


class Carrier(Protocol):
    """The sending side. Writes are kept until sent; `Handler.pause_writing` says enough."""

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Send; never blocks, and does nothing once closed."""

    def write_eof(self) -> None:
        """Half-close: say that no more comes, go on reading (close_notify and FIN for TLS)."""

    def pause_reading(self) -> None:
        """Call ``data_received`` no more, not even for what was read already."""

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""

    def close(self) -> None:
        """Send what was written, then close."""

    def abort(self) -> None:
        """Close at once, with a reset if that is possible."""

    def is_closing(self) -> bool:
        """Whether it was closed or aborted, or has failed."""

    @property
    def alpn(self) -> str:
        """The protocol that was agreed on in the TLS handshake; empty if none."""


class Handler(Protocol):
    """The receiving side, as ``asyncio.Protocol``; called only from the event loop."""

    def connection_made(self, carrier: Carrier) -> None:
        """The connection is ready: for TLS, the handshake is over and the peer was checked."""

    def data_received(self, chunk: bytes) -> None:
        """Bytes came; never empty."""

    def eof_received(self) -> bool:
        """The peer half-closed; true keeps the sending side open."""

    def connection_lost(self, error: Exception | None) -> None:
        """It is over, exactly once; None for an orderly end."""

    def pause_writing(self) -> None:
        """More is waiting to be sent than is good."""

    def resume_writing(self) -> None:
        """There is room again."""


HandlerFactory = Callable[[], Handler]
