"""Whether a request that failed is sent again, and when.

Two questions: does somebody want it (the route's policy; a connection that could not be made, or
that was closed under a request, is tried once more without any), and is it safe? What may have had
an effect is never repeated: a method that is not idempotent only if no byte of it was sent, or if
the peer said that it was not touched. The statuses of gRPC are the exception, if the policy names
them. Source: RFC 9110 9.2.2; Consul's RetryOn; Envoy's x-envoy-retry-on; fully jittered exponential
back-off as in Envoy.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from proxy.api import RetryBudget, RetryPolicy
from proxy.core.limits import TokenBucket
from proxy.http import Fault

IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
FREE_RETRIES: Final = 1
"""Without a policy: a kept connection that was closed, or one dead instance, is no failure yet."""
FREE_FAULTS: Final = frozenset({Fault.CONNECT, Fault.STALE, Fault.REFUSED})
FINAL_FAULTS: Final = frozenset({Fault.CLIENT, Fault.OVERFLOW})
"""Nobody waits for the answer, or this proxy itself has too much to do."""
BACK_OFF_DOUBLINGS_MAX: Final = 16  # beyond every sensible back_off_max_s; keeps the power small

_GRPC_WORDS: Final = {
    b"1": "cancelled",
    b"4": "deadline-exceeded",
    b"8": "resource-exhausted",
    b"13": "internal",
    b"14": "unavailable",
}
_GRPC_STATUSES: Final = frozenset(_GRPC_WORDS.values())


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended: with the head of an answer, or with a fault.

    ``bytes_sent``: of the request, 0 if it reached nobody. ``is_replayable``: what was sent of its
    body is still here. ``grpc_status``, ``rate_limited``: of the answer's headers (grpc-status,
    x-envoy-ratelimited).
    """

    status: int = 0
    fault: Fault | None = None
    bytes_sent: int = 0
    is_replayable: bool = True
    grpc_status: bytes = b""
    rate_limited: bool = False


def retry_reason(
    policy: RetryPolicy | None, method: bytes, outcome: Outcome, retries: int
) -> str | None:
    """Why to send it again, one of the policy's words or the fault; None: do not.

    ``retries`` counts those that were made already.
    """
    if outcome.fault in FINAL_FAULTS or not outcome.is_replayable:
        return None
    safe = is_safe(method, outcome)
    if policy is not None and retries < policy.count:
        wanted = _word(policy, outcome)
        # Every call of gRPC is a POST: who names a status of gRPC means just those.
        if wanted is not None and (safe or wanted in _GRPC_STATUSES):
            return wanted
    if safe and outcome.fault in FREE_FAULTS and retries < FREE_RETRIES:
        return outcome.fault.value
    return None


def is_safe(method: bytes, outcome: Outcome) -> bool:
    """Whether sending it again cannot do twice what the client asked for once."""
    if not outcome.is_replayable:
        return False
    if outcome.fault is not None and (
        outcome.fault in {Fault.CONNECT, Fault.REFUSED} or not outcome.bytes_sent
    ):
        return True
    return method in IDEMPOTENT


def back_off_s(policy: RetryPolicy | None, retries: int, random: float) -> float:
    """How long to wait before the next try; ``random`` in [0, 1) spreads it from nothing up.

    The very first retry without a policy goes elsewhere at once.
    """
    if policy is None:
        return 0.0
    doublings = min(retries, BACK_OFF_DOUBLINGS_MAX)
    return random * min(policy.back_off_s * (2.0 ** (doublings + 1) - 1.0), policy.back_off_max_s)


class Budget:
    """Retries that may be open beside the requests, from `take` over back-off to `give_back`."""

    __slots__ = ("_bucket", "_limit", "open")

    def __init__(self, limit: RetryBudget, now_s: float) -> None:
        self.open = 0
        self._limit = limit
        self._bucket = TokenBucket(limit.per_second_min, limit.per_second_min, now_s)

    def change(self, limit: RetryBudget, now_s: float) -> None:
        """Hold to another limit; what is open stays."""
        if limit != self._limit:
            self._limit = limit
            self._bucket = TokenBucket(limit.per_second_min, limit.per_second_min, now_s)

    def take(self, active_requests: int, now_s: float) -> bool:
        """Open a retry: within the share of the active requests, or of the minimum per second."""
        if self.open + 1 <= active_requests * self._limit.percent / 100.0 or self._bucket.take(
            now_s
        ):
            self.open += 1
            return True
        return False

    def give_back(self) -> None:
        """The retry has ended."""
        assert self.open > 0, "what is given back was taken"
        self.open -= 1


def _word(policy: RetryPolicy, outcome: Outcome) -> str | None:
    """The first word of a policy that an outcome matches."""
    if outcome.fault is None and outcome.status in policy.status_codes:
        return "retriable-status-codes"
    for word in policy.on:
        matches = _WORDS.get(word)
        if matches is not None and matches(outcome):
            return word
    return None


def _is_grpc(word: str) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.fault is None and _GRPC_WORDS.get(outcome.grpc_status) == word


_WORDS: Final[dict[str, Callable[[Outcome], bool]]] = {
    "5xx": lambda outcome: outcome.fault is not None or 500 <= outcome.status <= 599,
    "gateway-error": lambda outcome: outcome.fault is not None or outcome.status in {502, 503, 504},
    "reset": lambda outcome: outcome.fault is not None,
    "connect-failure": lambda outcome: outcome.fault is Fault.CONNECT,
    "envoy-ratelimited": lambda outcome: outcome.fault is None and outcome.rate_limited,
    "retriable-4xx": lambda outcome: outcome.fault is None and outcome.status == 409,
    "refused-stream": lambda outcome: outcome.fault is Fault.REFUSED,
    **{word: _is_grpc(word) for word in _GRPC_WORDS.values()},
}
