"""The middle of each HTTP request: decided, sent to an instance, perhaps again, and answered.

Opened by a server codec, it decides on the newest configuration, makes attempts at endpoints until
one answers in a way that nobody wants repeated, and passes both bodies on, holding each side back
when the other takes no more. Before its answer has begun a failure is an answer made here; after
that it cuts the client's answer short, so that nobody takes a part for the whole.

Source: Envoy's router: timeouts, retries and the statuses of its own answers.
"""

from typing import Final

from typing_extensions import override

from proxy.core.fault import NOTHING
from proxy.core.headers import edited
from proxy.core.retry import Outcome
from proxy.exchange_attempt import Attempt
from proxy.exchange_body import ReplayBody
from proxy.exchange_decision import Destination, decide, edit_answer, no_endpoint
from proxy.exchange_origin import Origin
from proxy.exchange_retries import Retries, outcome_of
from proxy.exchange_timing import Timing
from proxy.http import Answer, Exchange, Exchanges, Fault, Headers, RequestHead, ResponseHead
from proxy.http_pool import pool_of
from proxy.local_reply import CLIENT_TIMED_OUT, TIMED_OUT, Reply, fault_reply, send
from proxy.mirror import Copy, begin_copy
from proxy.serving import OverloadError

NONE: Final[frozenset[str]] = frozenset()


class HttpExchanges(Exchanges):
    """Opens the exchanges of one accepted connection."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    @override
    def open(self, head: RequestHead, answer: Answer) -> Exchange:
        exchange = HttpExchange(self._origin, head, answer)
        exchange.begin()
        return exchange

    @override
    def refused(self, status: int, detail: str) -> None:
        record = self._origin.record()
        record.status, record.detail = status, detail
        record.flags.append("refused")
        record.ended_s = record.started_s
        self._origin.serving.recorder.finished(record)


class HttpExchange(Exchange):
    """One request and its answer."""

    def __init__(self, origin: Origin, head: RequestHead, answer: Answer) -> None:
        self._origin = origin
        self._head = head
        self._answer = answer
        self._record = origin.record()
        self._body = ReplayBody(is_complete=not head.has_body)
        self._timing = Timing(origin.deadlines, self)
        self._destination: Destination
        self._attempt: Attempt | None = None
        self._copy: Copy | None = None
        self._retries: Retries | None = None
        self._is_begun = False  # the answer
        self._is_held = False  # the request's body, until somebody takes it
        self._is_full = False  # the instance, for now
        self._is_tunnel = self._is_half_closed = False  # half: one side of the tunnel
        self._is_over = False

    def begin(self) -> None:
        """Decide, and send the request on or answer it."""
        origin, head, record = self._origin, self._head, self._record
        record.method = head.method.decode("latin-1")
        record.host = head.authority.decode("latin-1")
        record.path = head.target.decode("latin-1")
        found = decide(origin.serving, origin.facts, head, record)
        if type(found) is Reply:
            self._reply(found)
            return
        assert isinstance(found, Destination), "a decision is a reply or a destination"
        self._destination = found
        route, cluster = found.route, found.cluster
        head.target = found.target
        headers = edited(origin.forwarded(head.headers), route.request_headers)
        head.headers = edited(headers, cluster.request_headers)
        origin.serving.recorder.trace(head, record)
        if route.mirror is not None:
            self._copy = begin_copy(origin.serving, route, head, record)
        self._timing.begin(
            record.started_s,
            idle_timeout_s=route.idle_timeout_s,
            timeout_s=found.timeout_s if self._body.is_complete and not head.upgrade else 0.0,
        )
        if self._copy is not None and self._body.is_complete:
            self._copy.end([])
        if found.injection is NOTHING:
            self._try()
        elif found.injection.delay_s:
            self._timing.pause(record.started_s, found.injection.delay_s)
        else:
            self._abort(found.injection.abort_status)

    # The client's side.

    @override
    def body(self, chunk: bytes) -> None:
        if self._is_over:
            return
        self._record.bytes_received += len(chunk)
        self._timing.has_moved = True
        request = None if self._attempt is None else self._attempt.request
        if self._is_tunnel:
            assert request is not None, "a tunnel has two ends"
            request.body(chunk)
            return
        body = self._body
        body.add(chunk)
        if self._copy is not None:
            self._copy.body(chunk)
        if request is not None:
            request.body(chunk)
            body.sent()
        elif body.is_full and not self._is_held:
            self._is_held = True
            self._answer.pause()

    @override
    def end(self, trailers: Headers) -> None:
        if self._is_over:
            return
        request = None if self._attempt is None else self._attempt.request
        if self._is_tunnel:
            assert request is not None, "a tunnel has two ends"
            self._half_closed()
            request.end([])
        elif not self._body.is_complete:
            self._body.is_complete = True
            self._body.trailers = trailers
            if request is not None:
                request.end(trailers)
            if self._copy is not None:
                self._copy.end(trailers)
            if not self._is_over:
                now_s = self._origin.serving.now_s()
                self._timing.complete(now_s, timeout_s=self._destination.timeout_s)
                self._time_attempt(now_s)

    @override
    def reset(self, fault: Fault) -> None:
        if not self._is_over:
            self._record.flags.append("client-gone" if fault is Fault.CLIENT else fault.value)
            self._cancel(Fault.CLIENT, failed=False)
            self._finish()

    @override
    def answer_paused(self) -> None:
        if self._attempt is not None and self._attempt.request is not None:
            self._attempt.request.pause()

    @override
    def answer_resumed(self) -> None:
        if self._attempt is not None and self._attempt.request is not None:
            self._attempt.request.resume()

    # Attempts.

    def _try(self, *, fresh: bool = False) -> None:
        """Send the request to an endpoint; ``fresh``: not on a connection that was kept."""
        destination = self._destination
        upstream = destination.upstream
        tried = NONE if self._retries is None else self._retries.tried
        choice = upstream.choose(destination.hashed.value, tried)
        if choice is None:
            self._reply(no_endpoint(f"no endpoint of {upstream.cluster.name} can be used"))
            return
        try:
            upstream.begin(choice)
        except OverloadError as error:
            self._reply(fault_reply(Fault.OVERFLOW, str(error)))
            return
        self._record.endpoint = choice.endpoint.id
        self._record.attempts += 1
        pool = pool_of(upstream, self._origin.serving)
        self._attempt = attempt = Attempt(self, pool, choice, self._head, self._body)
        if destination.route.retry is not None and self._body.is_complete:
            self._time_attempt(self._origin.serving.now_s())
        attempt.begin(fresh=fresh)

    def attempt_sent(self) -> None:
        """A connection has taken the body so far."""
        self._body.sent()
        if self._is_held:
            self._is_held = False
            if not self._is_full:
                self._answer.resume()

    def attempt_informational(self, head: ResponseHead) -> None:
        """Pass it on."""
        self._answer.informational(head)

    def attempt_answered(self, head: ResponseHead, *, end: bool) -> None:
        """Pass the answer on, unless another one is wanted."""
        if self._destination.route.retry is not None:
            if self._tried_again(head):
                return
            if not end:
                self._timing.attempt(0.0, timeout_s=0.0)
        self._begin_answer(head)
        if end:
            self._finish()
        else:
            self._body.release()
        self._answer.head(head, end=end)

    def attempt_completed(self, head: ResponseHead, body: bytes) -> None:
        """As `attempt_answered`, with all that follows."""
        if self._destination.route.retry is not None and self._tried_again(head):
            return
        self._begin_answer(head)
        self._record.bytes_sent += len(body)
        self._finish()
        self._answer.whole(head, body)

    def _tried_again(self, head: ResponseHead) -> bool:
        """Try again in place of an answer, if the route wants that."""
        sent = 0 if self._attempt is None else self._attempt.bytes_sent
        outcome = outcome_of(head, bytes_sent=sent, is_replayable=self._body.is_replayable)
        if outcome is None or not self._may_retry(outcome):
            return False
        self._cancel(Fault.RESET, failed=head.status >= 500)
        self._again(outcome)
        return True

    def _begin_answer(self, head: ResponseHead) -> None:
        self._is_begun = True
        self._record.status = head.status
        edit_answer(self._destination, head)

    def attempt_body(self, chunk: bytes) -> None:
        """Pass it on."""
        self._record.bytes_sent += len(chunk)
        self._timing.has_moved = True
        self._answer.body(chunk)

    def attempt_ended(self, trailers: Headers) -> None:
        """The answer is complete; of a tunnel, one direction is."""
        if self._is_tunnel:
            self._half_closed()
            self._answer.end([])
        else:
            self._finish()
            self._answer.end(trailers)

    def attempt_switched(self, head: ResponseHead) -> None:
        """From now on it is a tunnel."""
        self._is_begun = self._is_tunnel = True
        self._record.status = head.status
        self._timing.tunnel()
        self._body.release()
        self._answer.switch(head)

    def attempt_failed(self, fault: Fault, detail: str) -> None:
        """Try again, answer, or cut the answer short."""
        outcome = self._failed(fault)
        self._attempt = None
        if fault is Fault.CONNECT and fault.value not in self._record.flags:
            self._record.flags.append(fault.value)  # counted, also if the next attempt does it
        if self._is_begun:
            self._cut(fault)
        elif self._may_retry(outcome):
            self._again(outcome)
        else:
            self._reply(fault_reply(fault, detail))

    def attempt_full(self) -> None:
        """The instance takes no more for now: nor do we."""
        self._is_full = True
        if not self._is_held:
            self._answer.pause()

    def attempt_drained(self) -> None:
        """Go on."""
        self._is_full = False
        if not self._is_held:
            self._answer.resume()

    def _time_attempt(self, now_s: float) -> None:
        retry = self._destination.route.retry
        if retry is not None and retry.per_try_timeout_s and not self._is_begun:
            self._timing.attempt(now_s, timeout_s=retry.per_try_timeout_s)

    def _may_retry(self, outcome: Outcome) -> bool:
        if self._retries is None:
            destination = self._destination
            policy = destination.route.retry
            self._retries = Retries(destination.upstream, policy, self._head.method)
        return self._retries.take(outcome, self._record)

    def _again(self, outcome: Outcome) -> None:
        assert self._retries is not None, "a retry was taken"
        serving = self._origin.serving
        if pause_s := self._retries.pause_s(outcome, serving.random()):
            self._timing.pause(serving.now_s(), pause_s)
        else:
            self._try(fresh=outcome.fault is Fault.STALE)

    def _failed(self, fault: Fault) -> Outcome:
        attempt = self._attempt
        return Outcome(
            fault=fault,
            bytes_sent=0 if attempt is None else attempt.bytes_sent,
            is_replayable=self._body.is_replayable,
        )

    # Times.

    def woken(self) -> None:
        """An injected delay or a back-off is over."""
        injection = self._destination.injection
        if injection.abort_status and not self._record.attempts:
            self._abort(injection.abort_status)
        else:
            self._try()

    def route_timed_out(self) -> None:
        """Give up."""
        self._time_out(TIMED_OUT, failed=True)

    def idle_timed_out(self) -> None:
        """Give up; it is the client's fault while its request is not complete."""
        complete = self._body.is_complete
        self._time_out(TIMED_OUT if complete else CLIENT_TIMED_OUT, failed=complete)

    def attempt_timed_out(self) -> None:
        """Try again, or give up."""
        outcome = self._failed(Fault.TIMEOUT)
        self._cancel(Fault.TIMEOUT, failed=True)
        if self._may_retry(outcome):
            self._again(outcome)
        else:
            self._reply(TIMED_OUT)

    def _time_out(self, reply: Reply, *, failed: bool) -> None:
        self._cancel(Fault.TIMEOUT, failed=failed)
        if self._is_begun:
            self._cut(Fault.TIMEOUT)
        else:
            self._reply(reply)

    # The end.

    def _abort(self, status: int) -> None:
        self._reply(Reply(status=status, flag="fault-abort", body="fault injected"))

    def _reply(self, reply: Reply) -> None:
        """Answer from here."""
        record = self._record
        if reply.flag not in record.flags:
            record.flags.append(reply.flag)
        record.status, record.detail = reply.status, reply.detail or reply.body
        self._is_begun = True
        self._finish()
        is_grpc = self._origin.serving.chain.protocol == "grpc"
        send(reply, self._answer, self._head, is_grpc=is_grpc)

    def _cut(self, fault: Fault) -> None:
        """Let the client notice that the rest of its answer does not come."""
        self._record.flags.append("timeout" if fault is Fault.TIMEOUT else "reset")
        self._record.detail = f"the answer was cut short: {fault.value}"
        self._finish()
        self._answer.reset(fault)

    def _half_closed(self) -> None:
        if self._is_half_closed and self._attempt is not None:
            self._attempt.leave()
            self._finish()
        self._is_half_closed = True

    def _cancel(self, fault: Fault, *, failed: bool) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel(fault, failed=failed)

    def _finish(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._timing.end()
        self._attempt = None
        if self._retries is not None:
            self._retries.end()
        if self._copy is not None and not self._body.is_complete:
            self._copy.cancel()
        serving = self._origin.serving
        self._record.ended_s = serving.now_s()
        serving.recorder.finished(self._record)
