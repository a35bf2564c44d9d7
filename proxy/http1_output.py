"""Lets the head of an HTTP/1 message and the body that comes right after it go out in one write.

One write is one packet and one TLS record. What is held goes out with what follows in the same turn
of the event loop; if nothing does, alone at its end.
"""

from proxy.connection import Carrier
from proxy.deadlines import CallLater


class Output:
    """The sending side of one HTTP/1 connection."""

    __slots__ = ("_call_later", "_carrier", "_held", "_is_due")

    def __init__(self, carrier: Carrier, call_later: CallLater) -> None:
        self._carrier = carrier
        self._call_later = call_later
        self._held = b""
        self._is_due = False

    @property
    def is_holding(self) -> bool:
        """Whether something was not handed to the connection yet."""
        return bool(self._held)

    def hold(self, part: bytes) -> None:
        """Send with what follows; more is about to."""
        self._held += part
        if not self._is_due:
            self._is_due = True
            self._call_later(0.0, self._turn_ended)

    def write(self, part: bytes) -> None:
        """Send what is held, and this."""
        if self._held:
            part, self._held = self._held + part, b""
        self._carrier.write(part)

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            self.write(b"")

    def _turn_ended(self) -> None:
        self._is_due = False
        self.flush()
