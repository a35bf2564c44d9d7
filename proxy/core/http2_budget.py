"""How much of what costs us and gives nothing a peer may send: tokens that come back with time,
and with what is of use.

Source: the floods of CVE-2019-9511 to 9518, rapid reset (CVE-2023-44487), and resets that we are
made to send (CVE-2025-8671).
"""

from typing import Final

from proxy.core.http2_frames import Code, ConnectionFault

BURST_MAX: Final = 1000  # at once: ten times the streams of a connection, as when all time out
REFILL_PER_S_MAX: Final = 100.0  # what a busy and honest peer stays below for long
SETTINGS_COST: Final = 10  # tokens: each one is answered, and may touch all streams
RESET_EARNED: Final = 1.0  # tokens: a request served to its end pays for one that is not
FRAME_EARNED: Final = 4.0  # tokens: a peer may widen two windows for a frame of ours, in halves
BYTE_EARNED: Final = 1 / 1024  # tokens: some do so for each 4 KiB that they read
HELD_FRAMES_MAX: Final = 10_000  # frames without use from a peer that does not read what we send


class Budget:
    """Tokens for frames without use, or for resets."""

    __slots__ = ("_at_s", "_left")

    def __init__(self) -> None:
        self._left = float(BURST_MAX)
        self._at_s = 0.0

    def spend(self, cost: float, now_s: float) -> bool:
        """Take tokens; false if there are not enough. ``now_s`` is monotonic."""
        passed_s = max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._left = min(BURST_MAX, self._left + passed_s * REFILL_PER_S_MAX) - cost
        return self._left >= 0

    def earn(self, tokens: float) -> None:
        """Give tokens for something useful."""
        self._left = min(BURST_MAX, self._left + tokens)


class Guard:
    """The budgets of one connection."""

    __slots__ = ("_earned", "_held_frames", "_idle_frames", "_resets")

    def __init__(self) -> None:
        self._idle_frames = Budget()
        self._resets = Budget()
        self._held_frames = 0
        self._earned = 0.0

    def idle(self, now_s: float, *, cost: int = 1, is_held: bool = False) -> None:
        """A frame without use came; ``is_held``: the peer does not read. Raises ConnectionFault."""
        self._held_frames = self._held_frames + 1 if is_held else 0
        if not self._idle_frames.spend(cost, now_s) or self._held_frames > HELD_FRAMES_MAX:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many frames without use")

    def sent(self, frames: int, size: int) -> None:
        """So many DATA frames and bytes were sent, ever: their windows may be widened."""
        earned = frames * FRAME_EARNED + size * BYTE_EARNED
        self._idle_frames.earn(earned - self._earned)
        self._earned = earned

    def reset(self, now_s: float) -> None:
        """A stream was reset, by the peer or for its fault. Raises ConnectionFault."""
        if not self._resets.spend(1, now_s):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many streams are reset")

    def served(self) -> None:
        """A stream came to its end."""
        self._resets.earn(RESET_EARNED)
