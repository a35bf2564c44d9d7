"""The times that one exchange keeps: of its route, of an attempt, of silence, and of a pause.

A route's and an attempt's time begin when the request is complete, as Envoy's do: an upload takes
what it takes. Silence is measured between once and twice the time, so that bytes cost nothing.
"""

from typing import Protocol

from typing_extensions import override

from proxy.deadlines import NEVER, Deadlines, Timed


class TimedExchange(Protocol):
    """Whom the times are for."""

    def woken(self) -> None:
        """The pause is over."""

    def route_timed_out(self) -> None:
        """No complete answer came in the time of the route."""

    def attempt_timed_out(self) -> None:
        """No answer began in the time of an attempt."""

    def idle_timed_out(self) -> None:
        """Nothing came or went for too long."""


class Timing(Timed):
    """The times of one exchange; each is monotonic, NEVER if it does not run."""

    __slots__ = (
        "_attempt_s",
        "_deadlines",
        "_exchange",
        "_idle_s",
        "_idle_timeout_s",
        "_route_s",
        "_wake_s",
        "due_s",
        "has_moved",
    )

    def __init__(self, deadlines: Deadlines, exchange: TimedExchange) -> None:
        self._deadlines = deadlines
        self._exchange: TimedExchange | None = exchange
        self._idle_timeout_s = 0.0
        self._idle_s = self._route_s = self._attempt_s = self._wake_s = NEVER
        self.due_s = NEVER
        self.has_moved = False  # since silence was looked for

    def begin(self, now_s: float, *, idle_timeout_s: float, timeout_s: float) -> None:
        """Set the times of an exchange; ``timeout_s`` 0 while its request is not complete."""
        if idle_timeout_s:
            self._idle_timeout_s = idle_timeout_s
            self._idle_s = now_s + idle_timeout_s
        if timeout_s:
            self._route_s = now_s + timeout_s
        due_s = self._idle_s if self._idle_s < self._route_s else self._route_s
        if due_s != NEVER:
            self._deadlines.set_due(self, due_s)

    def complete(self, now_s: float, *, timeout_s: float) -> None:
        """The request is complete: the route's time begins."""
        if timeout_s:
            self._route_s = now_s + timeout_s
            self._set()

    def attempt(self, now_s: float, *, timeout_s: float) -> None:
        """Begin the time of an attempt; 0 ends it."""
        self._attempt_s = now_s + timeout_s if timeout_s else NEVER
        self._set()

    def pause(self, now_s: float, pause_s: float) -> None:
        """Wake the exchange after a pause."""
        self._wake_s = now_s + pause_s
        self._set()

    def tunnel(self) -> None:
        """Only silence is too long for a tunnel."""
        self._route_s = self._attempt_s = NEVER
        self._set()

    def end(self) -> None:
        """Nothing is due any more. Lets go of the exchange: the two hold each other."""
        self._deadlines.drop(self)
        self._exchange = None

    @override
    def expire(self, now_s: float) -> None:
        exchange = self._exchange
        assert exchange is not None, "nothing is due after the end"
        if self._route_s <= now_s:
            exchange.route_timed_out()
        elif self._wake_s <= now_s:
            self._wake_s = NEVER
            self._set()
            exchange.woken()
        elif self._attempt_s <= now_s:
            self._attempt_s = NEVER
            self._set()
            exchange.attempt_timed_out()
        elif self._idle_s <= now_s and not self.has_moved:
            exchange.idle_timed_out()
        else:
            self.has_moved = False
            self._idle_s = now_s + self._idle_timeout_s if self._idle_timeout_s else NEVER
            self._set()

    def _set(self) -> None:
        due_s = min(self._route_s, self._idle_s, self._attempt_s, self._wake_s)
        if due_s != self.due_s:
            self._deadlines.set_due(self, due_s)
