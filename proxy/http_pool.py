"""Connections to the instances of one cluster, kept and shared by all that sends requests there.

An HTTP/1 connection carries one request at a time and is kept for the next; the one that was used
last goes first, so that the others fall idle and are closed. An HTTP/2 connection carries many.
Who finds none waits for the first that is dialled or gets free. Limits are the cluster's. An
endpoint that is retired begins anew: what was being dialled serves those that wait for it, and
nobody after them.

Failure: a dial that fails fails one who waits (HTTP/2: all, they wait for the same one).
"""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from proxy.connection import Handler
from proxy.core.limits import OPEN_MAX
from proxy.deadlines import CallLater
from proxy.http import ClientConnection, Fault
from proxy.http1_client import Http1Client
from proxy.http2_client import Http2Client
from proxy.serving import Choice, DialError, OverloadError, Serving, Upstream

IDLE_S: Final = 60.0  # below what servers allow, mostly; a race lost costs a retry or a 503
SWEEP_INTERVAL_S: Final = 10.0  # a connection is idle for so much longer at most
IDLE_CONNECTIONS_MAX: Final = 128  # of one endpoint; after a burst the others go

Key = tuple[str, str, str]
"""Endpoint, target and protocol: one endpoint may be dialled in several ways."""
Start = Callable[[str, Coroutine[Any, Any, None]], Callable[[], None]]


class Waiter(Protocol):
    """Who waits for a connection; one of the two is called, once."""

    def connected(self, connection: ClientConnection) -> None:
        """Here it is, with room."""

    def unconnected(self, fault: Fault, detail: str) -> None:
        """There will be none: CONNECT or OVERFLOW."""


class HttpPool:
    """The connections of one cluster."""

    def __init__(self, upstream: Upstream, serving: Serving) -> None:
        self.upstream = upstream
        self.start: Start = serving.start
        self.call_later: CallLater = serving.call_later
        self.now_s = serving.now_s
        self.waiting = 0
        self._places: dict[Key, _Place] = {}
        self._leaving: list[_Place] = []  # retired, and not empty yet
        self._is_sweeping = False
        upstream.on_retired(self._retire)

    def take(self, choice: Choice) -> ClientConnection | None:
        """A connection that has room, or None."""
        place = self._places.get(self._key(choice))
        return None if place is None else place.take()

    def wait(self, choice: Choice, waiter: Waiter, *, fresh: bool = False) -> None:
        """Call ``waiter`` with a connection as soon as there is one; may be within the call.

        ``fresh``: only with one that carried no request yet.
        """
        pending_max = self.upstream.cluster.pending_max
        if self.waiting >= (OPEN_MAX if pending_max is None else pending_max):
            waiter.unconnected(Fault.OVERFLOW, "pending_max is reached")
            return
        key = self._key(choice)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(self, choice)
            self.sweep_later()
        place.choice = choice
        (place.fresh_waiters if fresh else place.waiters).append(waiter)
        self.waiting += 1
        place.dial()

    def forget(self, choice: Choice, waiter: Waiter) -> None:
        """Who waited has given up. What is being dialled for it is kept for another one."""
        # The endpoint may have been retired meanwhile, or the protocol have changed.
        instance = choice.endpoint.id, choice.group.target
        places = [place for key, place in self._places.items() if key[:2] == instance]
        for place in (*places, *self._leaving):
            for waiters in (place.waiters, place.fresh_waiters):
                if waiter in waiters:
                    waiters.remove(waiter)
                    self.waiting -= 1

    def room_made(self) -> None:
        """A connection has ended: one may be dialled that the limit did not allow."""
        if self.waiting:
            self.call_later(0.0, self._dial_again)

    def sweep_later(self) -> None:
        """Something is idle, or may come to nothing: look in some time for how long."""
        if not self._is_sweeping:
            self._is_sweeping = True
            self.call_later(SWEEP_INTERVAL_S, self._sweep)

    def _key(self, choice: Choice) -> Key:
        return choice.endpoint.id, choice.group.target, self.upstream.cluster.protocol

    def _dial_again(self) -> None:
        for place in [*self._places.values(), *self._leaving]:
            place.dial()

    def _sweep(self) -> None:
        self._is_sweeping = False
        before_s = self.now_s() - IDLE_S
        for key, place in list(self._places.items()):
            place.close_idle(before_s)
            if place.is_empty:
                del self._places[key]
        self._leaving = [place for place in self._leaving if not place.is_empty]
        if self._places or self._leaving:
            self.sweep_later()

    def _retire(self, endpoint: str) -> None:
        self._leaving = [place for place in self._leaving if not place.is_empty]
        for key in [key for key in self._places if key[0] == endpoint]:
            place = self._places.pop(key)
            place.close()
            if not place.is_empty:
                self._leaving.append(place)


def pool_of(upstream: Upstream, serving: Serving) -> HttpPool:
    """The pool of a cluster; made when it is asked for first."""
    pool = upstream.pool
    if pool is None:
        pool = upstream.pool = HttpPool(upstream, serving)
    assert isinstance(pool, HttpPool), "nothing else is kept there"
    return pool


class _Place:
    """The connections to one endpoint, and who waits for one. Owns them (`ConnectionOwner`)."""

    def __init__(self, pool: HttpPool, choice: Choice) -> None:
        self.choice = choice
        self.waiters: deque[Waiter] = deque()
        self.fresh_waiters: deque[Waiter] = deque()
        self._pool = pool
        self._is_shared = pool.upstream.cluster.protocol in ("http2", "grpc")
        self._open: dict[ClientConnection, None] = {}
        self._free: dict[ClientConnection, float] = {}  # since when, used last comes last
        self._retired: set[ClientConnection] = set()
        self._dialing = 0
        self._is_leaving = False

    @property
    def is_empty(self) -> bool:
        return not self._open and not self._waiting and not self._dialing

    @property
    def _waiting(self) -> int:
        return len(self.waiters) + len(self.fresh_waiters)

    def take(self) -> ClientConnection | None:
        while self._free:
            connection, since_s = self._free.popitem()
            if connection.room:
                if self._is_shared:
                    self._free[connection] = since_s
                return connection
        return None

    def dial(self) -> None:
        """Dial for those that wait and for whom nothing is under way."""
        wanted = min(1, self._waiting) if self._is_shared else self._waiting
        while self._dialing < wanted:
            self._dialing += 1
            self._pool.start("proxy.dial", self._dial())

    def close(self) -> None:
        """Use none of these again, nor what is being dialled but for those that wait."""
        self._is_leaving = True
        free, self._free = self._free, {}
        self._retired.update(self._open)
        for connection in list(self._open):
            connection.close()
        assert all(connection.room == 0 for connection in free), "what is closed has no room"

    def close_idle(self, before_s: float) -> None:
        for connection in [each for each, at_s in self._free.items() if at_s <= before_s]:
            del self._free[connection]
            connection.close()

    # What connections say.

    def made(self, connection: ClientConnection) -> None:
        self._open[connection] = None
        while self.fresh_waiters and connection.room:
            self._pool.waiting -= 1
            self.fresh_waiters.popleft().connected(connection)
        self.freed(connection)

    def freed(self, connection: ClientConnection) -> None:
        if connection in self._retired:
            return
        while self.waiters and connection.room:
            self._pool.waiting -= 1
            self.waiters.popleft().connected(connection)
        if self._is_leaving:
            self._retired.add(connection)
            connection.close()
            return
        if not connection.room or connection in self._free:
            return
        if len(self._free) >= IDLE_CONNECTIONS_MAX:
            connection.close()
            return
        self._free[connection] = self._pool.now_s()
        self._pool.sweep_later()

    def ended(self, connection: ClientConnection) -> None:
        self._open.pop(connection, None)
        self._retired.discard(connection)
        self._free.pop(connection, None)
        self._pool.room_made()

    # Dialling.

    async def _dial(self) -> None:
        fault, detail = None, ""
        try:
            await self._pool.upstream.dial(self.choice, self._make, self._alpn())
        except DialError as error:
            fault, detail = Fault.CONNECT, str(error)
        except OverloadError as error:
            fault, detail = Fault.OVERFLOW, str(error)
        finally:
            self._dialing -= 1
        if fault is Fault.OVERFLOW and (self._open or self._dialing):
            return  # one of these will be free
        if fault is not None:
            self._fail(fault, detail)

    def _alpn(self) -> tuple[str, ...]:
        tls = self.choice.group.tls
        if tls is not None and tls.alpn:
            return tls.alpn
        return ("h2",) if self._is_shared else ("http/1.1",)

    def _make(self) -> Handler:
        if self._is_shared:
            return Http2Client(self, self._pool.now_s, self._pool.call_later)
        return Http1Client(self, self._pool.call_later)

    def _fail(self, fault: Fault, detail: str) -> None:
        waiting = [*self.fresh_waiters, *self.waiters]
        failed = waiting if self._is_shared else waiting[:1]
        for _ in failed:
            (self.fresh_waiters if self.fresh_waiters else self.waiters).popleft()
        self._pool.waiting -= len(failed)
        for waiter in failed:
            waiter.unconnected(fault, detail)
