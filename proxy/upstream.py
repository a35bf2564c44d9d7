"""A cluster at work: chooses endpoints, dials them, and learns from what becomes of it.

Groups of endpoints are tried in order: the first that has a usable one serves (failover). What is
known of an endpoint (open requests, latency, ejection) outlasts a change of the configuration as
long as it stays at its place. Source: Consul, service-resolver failover; Envoy's clusters.
"""

import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec
from typing_extensions import override

from proxy.api import Cluster, Endpoint
from proxy.connection import Handler, HandlerFactory
from proxy.core.backend import Backend
from proxy.core.balance import RandomSource
from proxy.core.group import Group
from proxy.core.limits import OPEN_MAX, OpenLimit
from proxy.core.retry import Budget
from proxy.messages import Instance
from proxy.serving import Choice, DialError, OverloadError, Upstream

UNLIMITED: Final = sys.maxsize

Connect = Callable[[Choice, HandlerFactory, tuple[str, ...], float], Awaitable[None]]
"""``connect(choice, make, alpn, timeout_s)``. Raises DialError."""


class _Chosen(Choice, frozen=True):
    """A choice that knows what it is of, also after the configuration has changed."""

    backend: Backend


class _Target:
    """A group with the choices that it leads to."""

    __slots__ = ("choices", "group", "name")

    def __init__(self, name: str, group: Group, choices: dict[Backend, _Chosen]) -> None:
        self.name = name
        self.group = group
        self.choices = choices


class ClusterUpstream(Upstream):
    """One cluster. ``now_s`` is monotonic; ``random`` gives numbers in [0, 1)."""

    def __init__(
        self,
        cluster: Cluster,
        connect: Connect,
        now_s: Callable[[], float],
        random: RandomSource,
    ) -> None:
        self.pool: object | None = None
        self._cluster = cluster
        self._connect = connect
        self._now_s = now_s
        self._random = random
        self._retired: list[Callable[[str], None]] = []
        self._backends: dict[str, Backend] = {}
        self._targets: tuple[_Target, ...] = ()
        self._connections = OpenLimit(None)
        self._pending = OpenLimit(None)
        self._requests = OpenLimit(None)
        self._budget = Budget(cluster.retry_budget, now_s())
        self._take(cluster)

    @property
    @override
    def cluster(self) -> Cluster:
        return self._cluster

    @override
    def choose(
        self, hashed: int | None = None, avoid: frozenset[str] = frozenset()
    ) -> Choice | None:
        now_s = self._now_s()
        for target in self._targets:
            if (backend := target.group.pick(now_s, hashed, avoid)) is not None:
                return target.choices[backend]
        return self.choose(hashed) if avoid else None  # what was tried is better than nothing

    @override
    async def dial(self, choice: Choice, make: HandlerFactory, alpn: tuple[str, ...] = ()) -> None:
        if not self._connections.take():
            raise self._overload("connections_max", self._connections)
        counted = _CountedConnection(self._connections.give_back)
        if not self._pending.take():
            counted.end()
            raise self._overload("pending_max", self._pending)
        try:
            await self._connect(
                choice, lambda: counted.around(make()), alpn, self._cluster.connect_timeout_s
            )
        except BaseException as error:
            counted.end()
            if isinstance(error, DialError):
                self._unreachable(choice)
            raise
        else:
            if self._cluster.protocol == "tcp":  # for requests, only an answer is a success
                _backend_of(choice).health.succeeded()
        finally:
            self._pending.give_back()

    @override
    def begin(self, choice: Choice) -> None:
        if not self._requests.take():
            raise self._overload("requests_max", self._requests)
        backend = _backend_of(choice)
        backend.active += 1
        backend.used = True

    @override
    def finish(self, choice: Choice, *, failed: bool, latency_s: float) -> None:
        """As `Upstream.finish`. What was under way when a dial failed tells nothing new.

        Either it is the request of that dial, counted already, or it has an older connection.
        """
        backend = _backend_of(choice)
        self._requests.give_back()
        backend.active -= 1
        now_s = self._now_s()
        if now_s - latency_s <= backend.unreachable_s or latency_s <= 0:
            return
        backend.observe(latency_s, now_s, failed=failed)
        if failed:
            self._failed(choice, backend, now_s)
        else:
            backend.health.succeeded()

    @override
    def may_retry(self) -> bool:
        return self._budget.take(self._requests.open, self._now_s())

    @override
    def retry_ended(self) -> None:
        self._budget.give_back()

    @override
    def on_retired(self, call: Callable[[str], None]) -> None:
        self._retired.append(call)

    def replace(self, cluster: Cluster) -> None:
        """Serve this configuration from now on; endpoints that stay keep what is known of them."""
        self._take(cluster)

    def close(self) -> None:
        """Retire all endpoints: the cluster is no longer there."""
        self._take(msgspec.structs.replace(self._cluster, groups=()))

    def instances(self) -> Iterator[Instance]:
        """The endpoints that were used since the last call, or are set aside.

        The proxy's name is left empty, for who knows it to fill in.
        """
        now_s = self._now_s()
        for id, backend in self._backends.items():
            ejected = backend.health.is_ejected(now_s)
            if backend.used or backend.active or ejected:
                backend.used = False
                yield Instance(
                    proxy="",
                    cluster=self._cluster.name,
                    endpoint=id,
                    ejected=ejected,
                    active=backend.active,
                    latency_ms=backend.latency_s(now_s) * 1000.0,
                )

    def _take(self, cluster: Cluster) -> None:
        before, known = self._cluster, self._backends
        is_tcp = cluster.protocol == "tcp"
        self._cluster = cluster
        self._connections.change(cluster.connections_max)
        self._pending.change(cluster.pending_max)
        # TCP has no requests: its connections are limited, and only counted here.
        self._requests.change(UNLIMITED if is_tcp else cluster.requests_max)
        self._budget.change(cluster.retry_budget, self._now_s())
        self._backends = self._kept(cluster)
        open_max = cluster.connections_max if is_tcp else cluster.requests_max
        self._targets = self._make_targets(OPEN_MAX if open_max is None else open_max)
        retired = {id for id, backend in known.items() if self._backends.get(id) is not backend}
        retired |= _dialled_otherwise(before, cluster) & known.keys()
        for id in sorted(retired):
            for call in self._retired:
                call(id)

    def _kept(self, cluster: Cluster) -> dict[str, Backend]:
        """The state of each endpoint: what there is, or new for what was not at its place."""
        now_s = self._now_s()
        backends: dict[str, Backend] = {}
        for group in cluster.groups:
            for endpoint in group.endpoints:
                backend = self._backends.get(endpoint.id)
                if backend is None or _place(backend.endpoint) != _place(endpoint):
                    backend = Backend(endpoint, now_s)
                else:
                    backend.change(endpoint)
                    if cluster.outlier is None:
                        backend.health.restore()
                backends.setdefault(endpoint.id, backend)
        return backends

    def _make_targets(self, open_max: int) -> tuple[_Target, ...]:
        before = {target.name: target for target in self._targets}
        targets: list[_Target] = []
        for group in self._cluster.groups:
            backends = [self._backends[endpoint.id] for endpoint in group.endpoints]
            choices = {
                backend: _Chosen(endpoint, group, backend)
                for backend, endpoint in zip(backends, group.endpoints, strict=True)
            }
            balanced = Group(self._cluster.balance, backends, self._random, open_max)
            if group.target in before:
                balanced.inherit(before[group.target].group)
            targets.append(_Target(group.target, balanced, choices))
        return tuple(targets)

    def _unreachable(self, choice: Choice) -> None:
        backend = _backend_of(choice)
        now_s = self._now_s()
        backend.used = True
        backend.unreachable_s = now_s
        self._failed(choice, backend, now_s)

    def _failed(self, choice: Choice, backend: Backend, now_s: float) -> None:
        outlier = self._cluster.outlier
        if outlier is None or not backend.health.failed(outlier):
            return
        for target in self._targets:
            if backend in target.choices and target.group.eject(backend, outlier, now_s):
                for each in self._targets:  # an endpoint may be in several
                    each.group.outdate()
                return

    def _overload(self, name: str, limit: OpenLimit) -> OverloadError:
        return OverloadError(f"{name} ({limit.maximum}) of cluster {self._cluster.name} is reached")


class _CountedConnection:
    """Ends the count of one connection once, when it is lost or never came to be."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def end(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def around(self, handler: Handler) -> Handler:
        return _CountedHandler(handler, self.end)


class _CountedHandler:
    """A handler whose end is noticed. All else are its own methods, so that nothing is slower."""

    def __init__(self, handler: Handler, ended: Callable[[], None]) -> None:
        self._handler = handler
        self._ended = ended
        self.connection_made = handler.connection_made
        self.data_received = handler.data_received
        self.eof_received = handler.eof_received
        self.pause_writing = handler.pause_writing
        self.resume_writing = handler.resume_writing

    def connection_lost(self, error: Exception | None) -> None:
        self._ended()
        self._handler.connection_lost(error)


def _backend_of(choice: Choice) -> Backend:
    assert isinstance(choice, _Chosen), "the choice is one of `choose`"
    return choice.backend


def _place(endpoint: Endpoint) -> tuple[str, int, str]:
    return endpoint.address, endpoint.port, endpoint.path


def _dialled_otherwise(before: Cluster, after: Cluster) -> set[str]:
    """Endpoints whose group says other things of TLS than it did: connections are out of date."""
    tls = {group.target: group.tls for group in before.groups}
    return {
        endpoint.id
        for group in after.groups
        if group.target in tls and group.tls != tls[group.target]
        for endpoint in group.endpoints
    }
