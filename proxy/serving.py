"""What carries a connection may ask of the runtime: the newest configuration, somewhere to go, and
somebody to tell.

A handler of a connection (TCP or HTTP) holds one `Serving` for its whole life and reads it anew at
each decision, so that a changed configuration holds on open connections too. The runtime gives it;
tests give simple ones.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec

from proxy.api import Cluster, Endpoint, EndpointGroup, FilterChain, Listener, ProxyConfig
from proxy.connection import Facts, HandlerFactory
from proxy.http import RequestHead


class Choice(msgspec.Struct, frozen=True):
    """An endpoint to dial, with what its group says of how."""

    endpoint: Endpoint
    group: EndpointGroup


class DialError(Exception):
    """No connection could be made: refused, timed out, or the peer is not who it should be."""


class OverloadError(Exception):
    """A limit of the cluster is reached; ``str()`` names it."""


class Upstream(Protocol):
    """A cluster at work: chooses endpoints, dials them, and learns from what becomes of it.

    ``pool`` is None when made; what keeps connections to the cluster for requests lives there, so
    that it lives as long.
    """

    pool: object | None

    @property
    def cluster(self) -> Cluster:
        """The newest configuration of it."""

    def choose(
        self, hashed: int | None = None, avoid: frozenset[str] = frozenset()
    ) -> Choice | None:
        """The endpoint for a request or a connection; None if there is none.

        ``hashed`` is for policies that hash; ``avoid``: ids that were tried, taken only if no other
        is left.
        """

    async def dial(self, choice: Choice, make: HandlerFactory, alpn: tuple[str, ...] = ()) -> None:
        """Connect within the cluster's time and drive a handler. Raises DialError, OverloadError.

        What failed was reported already.
        """

    def begin(self, choice: Choice) -> None:
        """A request (TCP: a connection) is on its way. Raises OverloadError."""

    def finish(self, choice: Choice, *, failed: bool, latency_s: float) -> None:
        """It has ended; ``failed`` counts for outlier detection (5xx, reset, time-out)."""

    def may_retry(self) -> bool:
        """Take a retry from the budget."""

    def retry_ended(self) -> None:
        """Give it back when the retry has ended."""

    def on_retired(self, call: Callable[[str], None]) -> None:
        """Be called with the id of an endpoint that is no longer to be used."""


class Record(msgspec.Struct, kw_only=True):
    """What became of one request, or of one TCP connection; filled in as it goes.

    ``flags`` and ``detail`` as in `proxy.messages.Tapped`. ``started_s`` is monotonic.
    ``opened_as`` is the recorder's: the edge that an open connection counts for.
    """

    started_s: float
    facts: Facts
    source: str = ""
    destination: str = ""
    route: str = ""
    cluster: str = ""
    endpoint: str = ""
    protocol: str = "tcp"
    method: str = ""
    host: str = ""
    path: str = ""
    status: int = 0
    ended_s: float = 0.0
    bytes_received: int = 0
    bytes_sent: int = 0
    attempts: int = 0
    flags: list[str] = msgspec.field(default_factory=list)
    detail: str = ""
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    is_sampled: bool = False
    opened_as: tuple[str, ...] = ()


class Recorder(Protocol):
    """Counts, logs, traces and shows what is told."""

    def opened(self, record: Record) -> None:
        """A TCP connection, or a connection that requests will come over, was accepted."""

    def closed(self, record: Record) -> None:
        """It has ended. For TCP the record tells all of it."""

    def trace(self, head: RequestHead, record: Record) -> None:
        """Take up or begin a trace: fills in the record's ids, and the head's headers for the
        next hop.
        """

    def finished(self, record: Record) -> None:
        """A request has ended."""

    def handshake_failed(self, facts: Facts, reason: str) -> None:
        """An accepted connection never came to content."""


class Serving(Protocol):
    """One filter chain at work."""

    @property
    def proxy(self) -> ProxyConfig:
        """The newest configuration of the proxy."""

    @property
    def listener(self) -> Listener:
        """The newest configuration of the listener."""

    @property
    def chain(self) -> FilterChain:
        """The newest configuration of the chain."""

    @property
    def is_draining(self) -> bool:
        """Whether connections should end as soon as what is open on them has."""

    @property
    def recorder(self) -> Recorder:
        """Whom to tell."""

    def upstream(self, cluster: str) -> Upstream | None:
        """A cluster by name."""

    def now_s(self) -> float:
        """Monotonic time."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def admits_connection(self) -> bool:
        """Whether ``connections_max`` leaves room for one more."""

    def admits_request(self, route: str) -> bool:
        """Take a token of the chain's rate limit, or of the route's if it has one."""

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> Callable[[], None]:
        """Run ``work`` beside, owned and reported by the runtime; returns what cancels it."""

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call once after ``delay_s``; returns what undoes it."""

    def on_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        """Be called when the configuration changed or draining began; returns what undoes it."""
