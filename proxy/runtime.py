"""All proxies of a worker: each is made into what its newest configuration says.

Old and new values are compared; what did not change goes on. A listener whose place is the same
keeps its socket and its connections. One that cannot be bound is a fault, tried again until it can
be: the port may be another process's. What is removed accepts no more and drains.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import msgspec

from proxy.api import Cluster, Listener, ProxyConfig
from proxy.chain_serving import ProxyState, Surroundings
from proxy.hand_over import ListenerKey
from proxy.listener_at_work import ListenerAtWork, ListenerParts, place_of
from proxy.messages import Instance
from proxy.serving import Upstream
from proxy.tls import Contexts

BIND_RETRY_FIRST_S: Final = 0.1  # the port may be on its way from one of our workers to another
BIND_RETRY_MAX_S: Final = 2.0  # a port that another process gives up is served soon after
CUT_WAIT_S: Final = 1.0  # for thousands of connections to be cut in turns
DRAIN_POLL_S: Final = 0.02  # between looks at whether the last connection has ended

_log = logging.getLogger("proxy.runtime")


class ClusterAtWork(Upstream, Protocol):
    """What the runtime asks of an upstream beside what handlers do."""

    def replace(self, cluster: Cluster) -> None:
        """Serve this from now on."""

    def instances(self) -> Iterator[Instance]:
        """The endpoints that were used since the last call, or are set aside."""

    def close(self) -> None:
        """The cluster is gone: end what is kept for later."""


class Parts(ListenerParts, frozen=True, kw_only=True):
    """What proxies are made of. ``prepare`` loads what a configuration needs, in a while."""

    make_upstream: Callable[[Cluster, Contexts], ClusterAtWork]
    prepare: Callable[[ProxyConfig], Awaitable[None]]


class _ProxyAtWork:
    def __init__(self, config: ProxyConfig) -> None:
        self.state = ProxyState(config)
        self.contexts = Contexts(config)
        self.listeners: dict[str, ListenerAtWork] = {}
        self.upstreams: dict[str, ClusterAtWork] = {}

    @property
    def faults(self) -> dict[str, str]:
        return {name: held.fault for name, held in self.listeners.items() if held.fault}


class Runtime:
    """The proxies of this worker. ``on_faults`` is told of a proxy whose faults have changed."""

    def __init__(
        self, parts: Parts, around: Surroundings, on_faults: Callable[[str], None]
    ) -> None:
        self._parts = parts
        self._around = around
        self._on_faults = on_faults
        self._proxies: dict[str, _ProxyAtWork] = {}
        self._leaving: list[ListenerAtWork] = []
        self._adopted: dict[ListenerKey, socket.socket] = {}
        self._retry_s = BIND_RETRY_FIRST_S
        self._retry: asyncio.TimerHandle | None = None
        self._is_draining = False
        self.has_given = False
        """Whether another worker has the sockets: no others are bound, files of sockets stay."""

    @property
    def proxies(self) -> tuple[str, ...]:
        """Ids of what is served."""
        return tuple(self._proxies)

    @property
    def open_count(self) -> int:
        """How many connections are open or in their handshake, also those that drain."""
        return sum(held.open_count for held in self._all_listeners())

    @property
    def drain_s(self) -> float:
        """For how long what is open may go on when all ends: the longest of the proxies."""
        return max((p.state.config.drain_s for p in self._proxies.values()), default=0.0)

    @property
    def unclaimed(self) -> int:
        """How many sockets were adopted and are not listened at yet."""
        return len(self._adopted)

    def faults(self, proxy: str) -> dict[str, str]:
        """What is wrong with a proxy, by listener."""
        at_work = self._proxies.get(proxy)
        return at_work.faults if at_work is not None else {}

    def instances(self) -> tuple[Instance, ...]:
        """The endpoints of all proxies that were used since the last call, or are set aside."""
        return tuple(
            msgspec.structs.replace(instance, proxy=id)
            for id, at_work in self._proxies.items()
            for upstream in at_work.upstreams.values()
            for instance in upstream.instances()
        )

    def apply(self, new: ProxyConfig) -> dict[str, str]:
        """Make the proxy into ``new``; gives its faults."""
        at_work = self._proxies.get(new.id)
        if at_work is None:
            at_work = self._proxies[new.id] = _ProxyAtWork(new)
        old, at_work.state.config = at_work.state.config, new
        at_work.contexts.update(new)
        is_other = _shared(old) != _shared(new)
        clusters = _moved(old.clusters, new.clusters)
        for listener in self._leaving:
            if listener.state is at_work.state:
                listener.notify(is_other=is_other, clusters=clusters)
        # First, so that whatever becomes of the rest, who may come in is decided anew.
        self._change_listeners(at_work, new, is_other=is_other, clusters=clusters)
        self._change_clusters(at_work, new)
        gone = at_work.upstreams.keys() - new.clusters.keys()
        for name in gone:
            at_work.upstreams.pop(name).close()
            del at_work.state.upstreams[name]
        self._retry_later()
        return at_work.faults

    def remove(self, id: str, drain_s: float) -> None:
        """Stop a proxy; what is open is closed after ``drain_s``."""
        at_work = self._proxies.pop(id, None)
        if at_work is None:
            return
        for listener in at_work.listeners.values():
            self._close(listener.config, self._stop(listener, drain_s))
        for upstream in at_work.upstreams.values():
            # Requests that are open may still need another connection.
            self._around.call_later(drain_s, upstream.close)

    def sockets(self) -> dict[ListenerKey, socket.socket]:
        """All listening sockets, to be given to another worker."""
        return {
            (id, name, place_of(listener.config)): listener.socket
            for id, at_work in self._proxies.items()
            for name, listener in at_work.listeners.items()
            if listener.socket is not None
        }

    def adopt(self, sockets: dict[ListenerKey, socket.socket]) -> None:
        """Listen at these in place of binding others."""
        self._adopted |= sockets

    def close_unclaimed(self) -> None:
        """Close what was adopted and nobody listens at."""
        for sock in self._adopted.values():
            sock.close()
        self._adopted.clear()

    async def drain(self, drain_s: float) -> int:
        """Accept no more, and wait until nothing is open; what is after ``drain_s`` is cut."""
        self._is_draining = True
        if self._retry is not None:
            self._retry.cancel()
        for at_work in self._proxies.values():
            for listener in at_work.listeners.values():
                self._close(listener.config, listener.stop())
        end_s = self._around.now_s() + drain_s
        # Connections end in many places; a look now and then costs the last seconds of a process.
        while self.open_count and self._around.now_s() < end_s:  # noqa: ASYNC110 - as said
            await asyncio.sleep(DRAIN_POLL_S)
        cut = sum(listener.cut() for listener in self._all_listeners())
        end_s = self._around.now_s() + CUT_WAIT_S
        while self.open_count and self._around.now_s() < end_s:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        return cut

    def _change_clusters(self, at_work: _ProxyAtWork, new: ProxyConfig) -> None:
        for name, cluster in new.clusters.items():
            upstream = at_work.upstreams.get(name)
            if upstream is None:
                upstream = self._parts.make_upstream(cluster, at_work.contexts)
                at_work.upstreams[name] = at_work.state.upstreams[name] = upstream
            elif upstream.cluster != cluster:
                upstream.replace(cluster)

    def _change_listeners(
        self,
        at_work: _ProxyAtWork,
        new: ProxyConfig,
        *,
        is_other: bool,
        clusters: frozenset[str],
    ) -> None:
        wanted = {listener.name: listener for listener in new.listeners}
        # Whoever leaves a place leaves its socket to whoever comes to it.
        left: dict[str, tuple[Listener, socket.socket]] = {}
        for name, listener in list(at_work.listeners.items()):
            place = place_of(listener.config)
            if name not in wanted or place_of(wanted[name]) != place:
                del at_work.listeners[name]
                sock = self._stop(listener, new.drain_s)
                if sock is not None:
                    left[place] = listener.config, sock
        for name, config in wanted.items():
            if name in at_work.listeners:
                at_work.listeners[name].change(config, is_other=is_other, clusters=clusters)
            else:
                _, sock = left.pop(place_of(config), (None, None))
                self._start(at_work, config, sock)
        for config, sock in left.values():
            self._close(config, sock)

    def _start(self, at_work: _ProxyAtWork, config: Listener, sock: socket.socket | None) -> None:
        listener = ListenerAtWork(
            config, at_work.state, at_work.contexts, self._parts, self._around
        )
        at_work.listeners[config.name] = listener
        if self._may_bind:
            key = (at_work.state.config.id, config.name, place_of(config))
            listener.open(sock or self._adopted.pop(key, None))

    def _stop(self, listener: ListenerAtWork, drain_s: float) -> socket.socket | None:
        """Accept no more; what is open is cut after ``drain_s``. Gives the socket."""
        self._leaving = [held for held in self._leaving if held.open_count]
        sock = listener.stop()
        self._leaving.append(listener)
        self._around.call_later(drain_s, lambda: _cut(listener))
        return sock

    def _close(self, config: Listener, sock: socket.socket | None) -> None:
        if sock is None:
            return
        if config.path and not self.has_given:
            # Before the socket is closed: then the file may be another worker's already.
            Path(config.path).unlink(missing_ok=True)
        sock.close()

    @property
    def _may_bind(self) -> bool:
        # What comes to be after the sockets were given is the newer worker's.
        return not self._is_draining and not self.has_given

    def _all_listeners(self) -> Iterator[ListenerAtWork]:
        for at_work in self._proxies.values():
            yield from at_work.listeners.values()
        yield from self._leaving

    def _retry_later(self) -> None:
        is_faulty = any(
            listener.socket is None
            for at_work in self._proxies.values()
            for listener in at_work.listeners.values()
        )
        if is_faulty and self._retry is None and not self._is_draining:
            self._retry = self._around.call_later(self._retry_s, self._bind_again)
            self._retry_s = min(BIND_RETRY_MAX_S, 2 * self._retry_s)
        elif not is_faulty:
            self._retry_s = BIND_RETRY_FIRST_S

    def _bind_again(self) -> None:
        self._retry = None
        for id, at_work in list(self._proxies.items()):
            before = at_work.faults
            for listener in at_work.listeners.values():
                if listener.socket is None and self._may_bind:
                    listener.open()
            if at_work.faults != before:
                self._on_faults(id)
        self._retry_later()


def _cut(listener: ListenerAtWork) -> None:
    if cut := listener.cut():
        _log.info("cut %d connections of listener %s", cut, listener.config.name)


def _moved(old: dict[str, Cluster], new: dict[str, Cluster]) -> frozenset[str]:
    """Clusters that have other endpoints than before, whatever is said of how to use them."""
    return frozenset(
        name
        for name in old.keys() | new.keys()
        if old.get(name) != new.get(name) and _places(old.get(name)) != _places(new.get(name))
    )


def _places(cluster: Cluster | None) -> set[tuple[str, str, int, str]]:
    groups = cluster.groups if cluster is not None else ()
    return {(e.id, e.address, e.port, e.path) for group in groups for e in group.endpoints}


def _shared(config: ProxyConfig) -> ProxyConfig:
    """What all connections of a proxy are decided by, beside their own listener."""
    return msgspec.structs.replace(config, clusters={}, listeners=(), index=0)
