"""One filter chain at work: what its connections ask for, and how many they are.

A chain is known by what a connection cannot change in the middle: its server names, whether they
speak TLS, and what they carry. A chain that changes in anything else stays the same one, with its
connections; one that changes in those is another one, and the older one's connections drain.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from proxy.api import FilterChain, Listener, ProxyConfig
from proxy.core.limits import TokenBucket
from proxy.notices import Call, Notices
from proxy.open_connections import OpenConnections
from proxy.serving import Recorder, Serving, Upstream

ChainKey = tuple[tuple[str, ...], bool, str]


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts of a worker use of the world. ``start`` owns and reports a task.

    ``make_recorder`` gives a chain whom to tell.
    """

    now_s: Callable[[], float]
    random: Callable[[], float]
    start: Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]
    call_later: Callable[[float, Call], asyncio.TimerHandle]
    make_recorder: Callable[[Serving], Recorder]
    notices: Notices


class ProxyState:
    """The newest configuration of a proxy, and its clusters at work; changed by the runtime."""

    def __init__(self, config: ProxyConfig) -> None:
        self.config = config
        self.upstreams: dict[str, Upstream] = {}
        self.is_draining = False


def chain_key(chain: FilterChain) -> ChainKey:
    """What makes a chain another one."""
    return tuple(sorted(chain.server_names)), chain.tls is not None, chain.protocol


class ChainServing:
    """A `Serving`; ``change`` and ``drain`` are called by the runtime."""

    def __init__(
        self, state: ProxyState, listener: Listener, chain: FilterChain, around: Surroundings
    ) -> None:
        self._state = state
        self.listener = listener
        self.chain = chain
        self._around = around
        self.is_draining = False
        self._is_cut = False
        self._watching: dict[Call, None] = {}
        self._buckets: dict[str, TokenBucket] = {}
        self.now_s = around.now_s
        self.random = around.random
        self.connections = OpenConnections()
        self._work: set[asyncio.Task[None]] = set()
        self._recorder = around.make_recorder(self)
        self._has_limits = _has_limits(chain)

    @property
    def proxy(self) -> ProxyConfig:
        """The newest configuration of the proxy."""
        return self._state.config

    @property
    def recorder(self) -> Recorder:
        """Whom to tell."""
        return self._recorder

    @property
    def open_count(self) -> int:
        """How many connections are open or, as work that was started, in their handshake."""
        return len(self.connections) + len(self._work)

    def upstream(self, cluster: str) -> Upstream | None:
        """A cluster by name."""
        return self._state.upstreams.get(cluster)

    def admits_connection(self) -> bool:
        """Whether ``connections_max`` leaves room for one more; none once it was cut.

        Who was in a handshake then would be served by a configuration that is no more, for ever.
        """
        if self._is_cut:
            return False
        limit = self.chain.connections_max
        return limit <= 0 or len(self.connections) < limit

    def admits_request(self, route: str) -> bool:
        """Take a token of the chain's rate limit, or of the route's if it has one."""
        if not self._has_limits:
            return True
        of_route = next((r.rate_limit for r in self.chain.routes if r.name == route), None)
        limit, name = (of_route, route) if of_route is not None else (self.chain.rate_limit, "")
        if limit is None:
            return True
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = TokenBucket(limit.per_second, limit.burst, self.now_s())
            self._buckets[name] = bucket
        return bucket.take(self.now_s())

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> Callable[[], None]:
        """Run ``work`` beside; returns what cancels it."""
        task = self._around.start(name, work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

        def cancel() -> None:
            task.cancel()

        return cancel

    def call_later(self, delay_s: float, call: Call) -> Callable[[], None]:
        """Call once after ``delay_s``; returns what undoes it."""
        return self._around.call_later(delay_s, call).cancel

    def on_changed(self, call: Call) -> Callable[[], None]:
        """Be called when the configuration changed or draining began; returns what undoes it."""
        self._watching[call] = None

        def undo() -> None:
            self._watching.pop(call, None)
            self._around.notices.drop(call)

        return undo

    def change(self, listener: Listener, chain: FilterChain) -> None:
        """Serve these from now on; token buckets keep what is in them."""
        self.listener, self.chain = listener, chain
        self._has_limits = _has_limits(chain)
        limits = {route.name: route.rate_limit for route in chain.routes} | {"": chain.rate_limit}
        for name, bucket in list(self._buckets.items()):
            limit = limits.get(name)
            if limit is None:
                del self._buckets[name]
            else:
                bucket.per_second, bucket.burst = limit.per_second, max(limit.burst, 1.0)

    def drain(self) -> None:
        """Let connections end as soon as what is open on them has."""
        self.is_draining = True
        self.notify()

    def notify(self) -> None:
        """Tell the open connections that something changed."""
        self._around.notices.add(self._watching)

    def leads_to(self, clusters: frozenset[str]) -> bool:
        """Whether a route ends at one of these."""
        return any(
            weighted.cluster in clusters
            for route in self.chain.routes
            for weighted in route.clusters
        )

    def cut(self) -> int:
        """Take none any more, and close what is open, one after the other in the next turns of
        the loop; how many.
        """
        self._is_cut = True
        carriers = self.connections.carriers
        self._around.notices.add(carrier.abort for carrier in carriers)
        return len(carriers)


def _has_limits(chain: FilterChain) -> bool:
    """Whether any of its requests needs a token."""
    return chain.rate_limit is not None or any(
        route.rate_limit is not None for route in chain.routes
    )
