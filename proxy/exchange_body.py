"""What of a request's body may have to be sent (again): it came before there was a connection for
it, or an attempt may fail.

Kept up to a limit. A body that is larger is held back until a connection takes it, and then sent
on as it comes; it cannot be sent again.
"""

from typing import Final

from proxy.http import Headers

REPLAY_BYTES_MAX: Final = 65_536  # a larger body is an upload: its client is the one to repeat it


class ReplayBody:
    """The beginning of a body, all of it or nothing any more."""

    __slots__ = ("_bytes", "_parts", "is_complete", "is_replayable", "trailers")

    def __init__(self, *, is_complete: bool) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0
        self.is_replayable = True
        self.is_complete = is_complete
        self.trailers: Headers = []

    @property
    def is_full(self) -> bool:
        """Whether more should not come before what is here was sent."""
        return self._bytes > REPLAY_BYTES_MAX

    @property
    def parts(self) -> list[bytes]:
        """All that came."""
        assert self.is_replayable, "what was let go cannot be sent"
        return self._parts

    def add(self, chunk: bytes) -> None:
        """Another part came."""
        if self.is_replayable:
            self._parts.append(chunk)
            self._bytes += len(chunk)

    def sent(self) -> None:
        """All that is here was sent: let go of it if it is too much to keep."""
        if self._bytes > REPLAY_BYTES_MAX:
            self.release()

    def release(self) -> None:
        """It will not be sent again."""
        self.is_replayable = False
        self._parts = []
        self._bytes = 0
