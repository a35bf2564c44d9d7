"""What an agent and its workers say to each other over the feed, a Unix socket.

A frame is its length (4 bytes, big endian) and one message as msgpack. The worker connects, says
`Hello`, and then is told; it answers each configuration, and reports what it saw.

    agent  ──Configure, Remove, Tap, HandOver, Adopt, Drain──►  worker
    agent  ◄──Hello, Applied, Report, Tapped, Ready, Drained──  worker

A worker outlives its agent: it serves what it was told last, and connects again.
"""

from typing import Final

import msgspec

from proxy.api import ProxyConfig

FRAME_BYTES_MAX: Final = 64 * 1024 * 1024  # a proxy of tens of thousands of endpoints
LENGTH_BYTES: Final = 4


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """The base of all messages; the class name is the tag."""


# From the agent.


class Configure(_Message, frozen=True, kw_only=True, tag=True):
    """Serve this from now on; ``version`` counts up and is answered by `Applied`."""

    version: int
    config: ProxyConfig


class Remove(_Message, frozen=True, kw_only=True, tag=True):
    """Stop a proxy: close its listeners, drain its connections."""

    id: str
    drain_s: float = 0.0


class Tap(_Message, frozen=True, kw_only=True, tag=True):
    """Show requests and connections as they pass; ``number`` 0-2^31 names the tap.

    Empty conditions take everything. ``share``: percent of what matches; ``stop`` ends it.
    """

    number: int
    proxy: str = ""
    source: str = ""
    destination: str = ""
    path_prefix: str = ""
    method: str = ""
    status_min: int = 0
    share: float = 100.0
    stop: bool = False


class HandOver(_Message, frozen=True, kw_only=True, tag=True):
    """Give the listening sockets to the worker that connects at ``path``; keep accepting."""

    path: str


class Adopt(_Message, frozen=True, kw_only=True, tag=True):
    """Take listening sockets from the worker at ``path`` before the first configuration."""

    path: str


class Drain(_Message, frozen=True, kw_only=True, tag=True):
    """Accept no more, end what is open within ``drain_s``, and exit."""

    drain_s: float


# From a worker.


class Hello(_Message, frozen=True, kw_only=True, tag=True):
    """``proxies``: the only ones that this worker serves (one that a user started); None: all.

    ``is_draining``: it accepts no more and will end, so another one has to serve.
    """

    version: str
    pid: int
    slot: int = 0
    proxies: tuple[str, ...] | None = None
    serving: dict[str, int] = msgspec.field(default_factory=dict)
    is_draining: bool = False


class Applied(_Message, frozen=True, kw_only=True, tag=True):
    """What became of a configuration: ``faults`` are by listener or cluster name."""

    id: str
    version: int
    faults: dict[str, str] = msgspec.field(default_factory=dict)


class Ready(_Message, frozen=True, kw_only=True, tag=True):
    """Handed sockets are open here; the older worker may drain."""


class Drained(_Message, frozen=True, kw_only=True, tag=True):
    """Nothing is open any more, or the time is over; ``cut`` connections were closed."""

    cut: int = 0


class Edge(_Message, frozen=True, kw_only=True, tag=True):
    """Whose traffic it is: one row of metrics.

    ``direction``: of the listener. ``route``: the chain node. ``cluster``: the target that served.
    """

    proxy: str
    direction: str
    source: str
    destination: str
    route: str = ""
    cluster: str = ""
    protocol: str = "tcp"


class EdgeCounts(_Message, frozen=True, kw_only=True, tag=True):
    """What was counted at an edge since the last report.

    ``classes``: requests by response class ("1xx" … "5xx", "reset"). ``latency_ms``: counts by
    bucket of ``proxy.stats.BUCKETS_MS``, one more for what is beyond; connections' lives are not in
    it. ``denied``: refused by intentions, ``limited``: by limits, ``retries``, ``mirrored``,
    ``faults``: put in on purpose. Bytes are of bodies for requests, of streams for TCP.
    """

    edge: Edge
    requests: int = 0
    classes: dict[str, int] = msgspec.field(default_factory=dict)
    latency_ms: tuple[int, ...] = ()
    latency_ms_sum: float = 0.0
    connections: int = 0
    connections_open: int = 0
    connect_failures: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    denied: int = 0
    limited: int = 0
    retries: int = 0
    retries_over_budget: int = 0
    mirrored: int = 0
    faults: int = 0


class Instance(_Message, frozen=True, kw_only=True, tag=True):
    """An endpoint as the balancer sees it."""

    proxy: str
    cluster: str
    endpoint: str
    ejected: bool = False
    active: int = 0
    latency_ms: float = 0.0


class Report(_Message, frozen=True, kw_only=True, tag=True):
    """What happened since the last one; sent each second while there is something to say.

    ``handshake_failures``: by proxy and reason.
    """

    at_s: float
    edges: tuple[EdgeCounts, ...] = ()
    instances: tuple[Instance, ...] = ()
    handshake_failures: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    resident_bytes: int = 0
    loop_lag_ms: float = 0.0


class Tapped(_Message, frozen=True, kw_only=True, tag=True):
    """One request, or one connection for TCP (then without method, path and status).

    ``flags``: short words for what went wrong or was done: denied, limited, retried, timeout, ...
    ``detail`` says why. Times are milliseconds; ``at_s`` is the wall clock.
    """

    tap: int
    at_s: float
    edge: Edge
    peer: str = ""
    peer_uri: str = ""
    endpoint: str = ""
    method: str = ""
    host: str = ""
    path: str = ""
    status: int = 0
    duration_ms: float = 0.0
    bytes_received: int = 0
    bytes_sent: int = 0
    attempts: int = 1
    flags: tuple[str, ...] = ()
    detail: str = ""
    trace_id: str = ""


ToWorker = Configure | Remove | Tap | HandOver | Adopt | Drain
ToAgent = Hello | Applied | Ready | Drained | Report | Tapped
