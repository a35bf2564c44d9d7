"""The retries of one exchange: whether another one may be, and what it takes from the cluster.

The budget keeps instances from doing work again; an attempt that reached none made no work, so the
next one costs nothing. A kept connection that was closed says nothing of its instance either: the
next attempt may go to the same one. Made when the first attempt fails.
"""

from typing import Final

from proxy.api import RetryPolicy
from proxy.core.retry import Outcome, back_off_s, retry_reason
from proxy.http import Fault, ResponseHead
from proxy.serving import Record, Upstream

_REACHED_NOBODY: Final = frozenset((Fault.CONNECT, Fault.STALE))


class Retries:
    """Ended with `end`, however the exchange ends."""

    __slots__ = ("_count", "_has_budget", "_method", "_policy", "_upstream", "tried")

    def __init__(self, upstream: Upstream, policy: RetryPolicy | None, method: bytes) -> None:
        self._upstream = upstream
        self._policy = policy
        self._method = method
        self._count = 0
        self._has_budget = False  # of the retry that is under way
        self.tried: frozenset[str] = frozenset()

    def take(self, outcome: Outcome, record: Record) -> bool:
        """Whether to try again: it is wanted, safe, and within the cluster's budget."""
        self.end()
        if retry_reason(self._policy, self._method, outcome, self._count) is None:
            return False
        if outcome.fault not in _REACHED_NOBODY:
            if not self._upstream.may_retry():
                record.flags.append("over-budget")
                return False
            self._has_budget = True
        if outcome.fault is not Fault.STALE:
            self.tried |= {record.endpoint}
        if not self._count:
            record.flags.append("retried")
        self._count += 1
        return True

    def pause_s(self, outcome: Outcome, random: float) -> float:
        """How long to wait before the retry that was taken."""
        if outcome.fault is Fault.STALE:
            return 0.0
        return back_off_s(self._policy, self._count - 1, random)

    def end(self) -> None:
        """The retry that is under way has ended."""
        if self._has_budget:
            self._has_budget = False
            self._upstream.retry_ended()


def outcome_of(head: ResponseHead, *, bytes_sent: int, is_replayable: bool) -> Outcome | None:
    """What there may be to retry of an answer; None for one that all is well with."""
    grpc_status = b""
    rate_limited = False
    for name, value in head.headers:
        lower = name.lower()
        if lower == b"grpc-status":
            grpc_status = value
        elif lower == b"x-envoy-ratelimited":
            rate_limited = True
    if head.status < 400 and not grpc_status:
        return None
    return Outcome(
        status=head.status,
        bytes_sent=bytes_sent,
        is_replayable=is_replayable,
        grpc_status=grpc_status,
        rate_limited=rate_limited,
    )
