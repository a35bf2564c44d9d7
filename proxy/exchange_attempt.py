"""One try of a request at one endpoint: waits for a connection, sends, and hands the answer on.

Tells the cluster of its end exactly once, whichever way it comes.
"""

from typing import Protocol

from typing_extensions import override

from proxy.exchange_body import ReplayBody
from proxy.http import (
    ClientConnection,
    Fault,
    Headers,
    Request,
    RequestHead,
    Response,
    ResponseHead,
)
from proxy.http_pool import HttpPool
from proxy.serving import Choice


class Trier(Protocol):
    """Who makes attempts, and is told of what becomes of them."""

    def attempt_sent(self) -> None:
        """There is a connection, and it has all of the body that came so far."""

    def attempt_informational(self, head: ResponseHead) -> None:
        """A 1xx answer."""

    def attempt_answered(self, head: ResponseHead, *, end: bool) -> None:
        """The final answer begins."""

    def attempt_body(self, chunk: bytes) -> None:
        """A part of the answer's body."""

    def attempt_ended(self, trailers: Headers) -> None:
        """The answer is complete."""

    def attempt_completed(self, head: ResponseHead, body: bytes) -> None:
        """The final answer at once; its body is not empty."""
        self.attempt_answered(head, end=False)
        self.attempt_body(body)
        self.attempt_ended([])

    def attempt_switched(self, head: ResponseHead) -> None:
        """The tunnel is open."""

    def attempt_failed(self, fault: Fault, detail: str) -> None:
        """It ended before its time; it was told of already."""

    def attempt_full(self) -> None:
        """The instance takes no more for now."""

    def attempt_drained(self) -> None:
        """Undo `attempt_full`."""


class Attempt(Response):
    """Created once there is an endpoint and the cluster let it begin."""

    def __init__(
        self,
        trier: Trier,
        pool: HttpPool,
        choice: Choice,
        head: RequestHead,
        body: ReplayBody,
    ) -> None:
        self._trier = trier
        self._pool = pool
        self._choice: Choice | None = choice  # None once the cluster was told of the end
        self._head = head
        self._body = body
        self._request: Request | None = None
        self._started_s = 0.0
        self._status = 0
        self._is_waiting = False
        self._is_tunnel = False

    def begin(self, *, fresh: bool) -> None:
        """Send on a connection that is free, or wait for one; ``fresh``: not on a kept one."""
        choice = self._choice
        assert choice is not None, "an attempt begins once"
        connection = None if fresh else self._pool.take(choice)
        if connection is not None:
            self.connected(connection)
        else:
            self._is_waiting = True
            self._pool.wait(choice, self, fresh=fresh)

    @property
    def request(self) -> Request | None:
        """Where more of the body goes; None while there is no connection."""
        return self._request

    @property
    def bytes_sent(self) -> int:
        """Of the request."""
        return 0 if self._request is None else self._request.bytes_sent

    def cancel(self, fault: Fault, *, failed: bool) -> None:
        """Give up; ``failed``: the instance is to blame."""
        choice, request, self._request = self._choice, self._request, None
        if choice is None:
            return
        if request is not None:
            request.reset(fault)
        elif self._is_waiting:
            self._is_waiting = False
            self._pool.forget(choice, self)
        self._finish(failed=failed)

    def leave(self) -> None:
        """Both directions of the tunnel have ended."""
        self._request = None
        self._finish(failed=False)

    # What the pool says.

    def connected(self, connection: ClientConnection) -> None:
        """Send what there is of the request."""
        self._is_waiting = False
        self._started_s = self._pool.now_s()
        body = self._body
        head = self._head
        self._request = request = connection.open(head, self)
        if head.has_body and self._choice is not None:  # else it has failed within the call
            for part in body.parts:
                request.body(part)
            if body.is_complete:
                request.end(body.trailers)
            self._trier.attempt_sent()

    def unconnected(self, fault: Fault, detail: str) -> None:
        """There is no connection for it."""
        self._is_waiting = False
        self._finish(failed=False)  # the cluster knows: the dial was its own
        self._trier.attempt_failed(fault, detail)

    # What the instance says.

    @override
    def informational(self, head: ResponseHead) -> None:
        self._trier.attempt_informational(head)

    @override
    def head(self, head: ResponseHead, *, end: bool) -> None:
        self._status = head.status
        if end:
            self._request = None
            self._finish(failed=head.status >= 500)
        self._trier.attempt_answered(head, end=end)

    @override
    def body(self, chunk: bytes) -> None:
        self._trier.attempt_body(chunk)

    @override
    def end(self, trailers: Headers) -> None:
        if self._is_tunnel:  # the other direction goes on
            self._trier.attempt_ended([])
            return
        self._request = None
        self._finish(failed=self._status >= 500)
        self._trier.attempt_ended(trailers)

    @override
    def whole(self, head: ResponseHead, body: bytes) -> None:
        self._request = None
        self._finish(failed=head.status >= 500)
        self._trier.attempt_completed(head, body)

    @override
    def switched(self, head: ResponseHead) -> None:
        self._is_tunnel = True
        self._trier.attempt_switched(head)

    @override
    def reset(self, fault: Fault) -> None:
        if fault is Fault.STALE:  # says nothing of the instance: servers close what is idle
            self._started_s = 0.0
        self._finish(failed=fault is not Fault.STALE)
        self._trier.attempt_failed(fault, "")

    @override
    def request_paused(self) -> None:
        self._trier.attempt_full()

    @override
    def request_resumed(self) -> None:
        self._trier.attempt_drained()

    def _finish(self, *, failed: bool) -> None:
        """Tell the cluster, once; a latency of 0 says that there is nothing to learn from it."""
        choice, self._choice = self._choice, None
        if choice is not None:
            latency_s = self._pool.now_s() - self._started_s if self._started_s else 0.0
            self._pool.upstream.finish(choice, failed=failed, latency_s=latency_s)
