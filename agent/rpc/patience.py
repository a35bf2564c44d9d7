"""How long a call goes on asking, and how long it pauses in between. Pure: time is an argument.

For want of a leader, or of a server that takes a connection, a call goes on for the hold time from
its beginning: the server that was asked has waited for a leader too, and the dial for an answer.
After a lost connection it goes on for the hold time from the first
loss: a blocking read may have waited for minutes before. Source: Consul, rpc_hold_timeout; pauses
are up to a sixteenth of it, so that many callers do not come back at once.
"""

from agent.rpc.blocking import JITTER_FRACTION, Jitter
from agent.rpc.pool import Unreachable
from agent.rpc.request import NoLeader


class Patience:
    """One call's. ``blocks``: it is a blocking read, of which an agent has many."""

    def __init__(self, hold_s: float, begun_s: float, *, blocks: bool) -> None:
        self._hold_s = hold_s
        self._begun_s = begun_s
        self._blocks = blocks
        self._first_loss_s: float | None = None

    def pause_s(self, error: Exception, now_s: float, rng: Jitter) -> float | None:
        """Seconds until the next try after an error; None when it is time to give up."""
        pause_s = rng.random() * self._hold_s / JITTER_FRACTION
        if isinstance(error, NoLeader | Unreachable) and not self._blocks:
            return self._unless_over(pause_s, self._begun_s, now_s)
        if self._first_loss_s is None:
            self._first_loss_s = now_s
            if not self._blocks:
                pause_s = 0.0  # another server may answer at once
        return self._unless_over(pause_s, self._first_loss_s, now_s)

    def _unless_over(self, pause_s: float, since_s: float, now_s: float) -> float | None:
        return pause_s if now_s + pause_s < since_s + self._hold_s else None
