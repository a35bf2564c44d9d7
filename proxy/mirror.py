"""Copies of requests for another cluster, whose answers nobody sees.

A copy is kept until its request is complete, then sent on its own: it can neither slow nor fail the
request that it is of. One whose body is too large is not sent. Source: Envoy's request mirroring.
"""

from collections.abc import Callable
from typing import Final

from typing_extensions import override

from proxy.api import Mirror, Route
from proxy.exchange_attempt import Attempt, Trier
from proxy.exchange_body import ReplayBody
from proxy.http import Fault, Headers, RequestHead, ResponseHead
from proxy.http_pool import pool_of
from proxy.serving import OverloadError, Record, Serving

MIRROR_HEADER: Final = (b"x-proconsul-mirror", b"1")
MIRROR_TIMEOUT_S: Final = 15.0  # as a request where the route sets no time: copies do not pile up


class Copy(Trier):
    """A copy of one request; what becomes of it is nobody's concern."""

    def __init__(
        self, serving: Serving, mirror: Mirror, timeout_s: float, head: RequestHead
    ) -> None:
        self._serving = serving
        self._mirror = mirror
        self._timeout_s = timeout_s or MIRROR_TIMEOUT_S
        self._head = head
        self._body = ReplayBody(is_complete=False)
        self._bytes = 0
        self._is_off = False
        self._attempt: Attempt | None = None
        self._undo: Callable[[], None] | None = None  # of the timer

    def body(self, chunk: bytes) -> None:
        """Keep a part of the body."""
        self._bytes += len(chunk)
        if self._bytes > self._mirror.body_bytes_max:
            self.cancel()
        elif not self._is_off:
            self._body.add(chunk)

    def end(self, trailers: Headers) -> None:
        """The request is complete: send the copy."""
        if self._is_off:
            return
        self._body.is_complete = True
        self._body.trailers = trailers
        upstream = self._serving.upstream(self._mirror.cluster)
        choice = upstream.choose() if upstream is not None else None
        if upstream is None or choice is None:
            return
        try:
            upstream.begin(choice)
        except OverloadError:
            return
        pool = pool_of(upstream, self._serving)
        self._attempt = Attempt(self, pool, choice, self._head, self._body)
        self._undo = self._serving.call_later(self._timeout_s, self.cancel)
        self._attempt.begin(fresh=False)

    def cancel(self) -> None:
        """Send no copy, or wait no longer for its answer."""
        self._is_off = True
        self._body.release()
        attempt = self._attempt
        self._end()
        if attempt is not None:
            attempt.cancel(Fault.TIMEOUT, failed=False)

    def _end(self) -> None:
        self._attempt = None
        if self._undo is not None:
            self._undo()
            self._undo = None

    @override
    def attempt_sent(self) -> None:
        self._body.release()

    @override
    def attempt_informational(self, head: ResponseHead) -> None:
        return

    @override
    def attempt_body(self, chunk: bytes) -> None:
        return

    @override
    def attempt_switched(self, head: ResponseHead) -> None:
        return

    @override
    def attempt_full(self) -> None:
        return

    @override
    def attempt_drained(self) -> None:
        return

    @override
    def attempt_answered(self, head: ResponseHead, *, end: bool) -> None:
        if end:
            self._end()

    @override
    def attempt_ended(self, trailers: Headers) -> None:
        self._end()

    @override
    def attempt_failed(self, fault: Fault, detail: str) -> None:
        self._end()


def begin_copy(serving: Serving, route: Route, head: RequestHead, record: Record) -> Copy | None:
    """A copy of a request if its route wants one of it."""
    mirror = route.mirror
    if mirror is None or head.upgrade or serving.random() * 100.0 >= mirror.percent:
        return None
    record.flags.append("mirrored")
    copied = RequestHead(
        method=head.method,
        scheme=head.scheme,
        authority=head.authority,
        target=head.target,
        headers=[field for field in head.headers if field[0].lower() != b"expect"],
        has_body=head.has_body,
    )
    copied.headers.append(MIRROR_HEADER)
    return Copy(serving, mirror, route.timeout_s, copied)
