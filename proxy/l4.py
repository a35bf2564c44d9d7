"""A TCP connection through the proxy: decided, dialled, and relayed both ways.

It is decided before anything is dialled, and again whenever the configuration changes: one that
lost access is cut at once, one whose instance is retired may go on for the drain time. Each side
may end its direction alone. What a side does not take in time is not read from the other one, so
that little is ever kept here. Source: Consul, intentions at layer 4.
"""

from collections.abc import Callable
from typing import Final

from typing_extensions import override

from proxy.api import Endpoint, Route
from proxy.carrier import SocketCarrier
from proxy.connection import Carrier, Facts, Handler
from proxy.core.authorize import decide_connection
from proxy.core.hashing import stable_hash
from proxy.serving import Choice, DialError, OverloadError, Record, Serving, Upstream

ATTEMPTS_MAX: Final = 2  # as Envoy could: a second instance when the first cannot be reached

Undo = Callable[[], None]


class TcpProxy(Handler):
    """One accepted connection of a chain whose protocol is ``tcp``."""

    def __init__(self, serving: Serving, facts: Facts) -> None:
        self._serving = serving
        self._record = Record(started_s=serving.now_s(), facts=facts)
        self._instance: _InstanceSide | None = None
        self._upstream: Upstream | None = None
        self._choice: Choice | None = None
        self._connect_s = 0.0
        self._is_over = False
        self._undo_changed: Undo | None = None
        self._undo_idle: Undo | None = None
        self._undo_drain: Undo | None = None
        self._cancel_dial: Undo | None = None
        self._bytes_at_check = 0

    # Handler: the client's side.

    @override
    def connection_made(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._name()
        self._serving.recorder.opened(self._record)
        if denial := self._denial():
            self._refuse("denied", denial)
        elif not self._serving.admits_request(""):
            self._refuse("limited", "rate limit of the chain")
        else:
            carrier.pause_reading()
            _lend(carrier, self._client_sent)
            self._undo_changed = self._serving.on_changed(self._changed)
            self._cancel_dial = self._serving.start(
                f"dial for {self._record.facts.remote}", self._dial()
            )

    @override
    def data_received(self, chunk: bytes) -> None:
        self._client_sent(memoryview(chunk))

    def _client_sent(self, chunk: memoryview) -> None:
        assert self._instance is not None, "nothing is read before there is an instance"
        self._record.bytes_received += len(chunk)
        self._instance.carrier.write(chunk)

    @override
    def eof_received(self) -> bool:
        assert self._instance is not None, "nothing is read before there is an instance"
        self._instance.carrier.write_eof()
        return True

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if self._cancel_dial is not None:
            self._cancel_dial()
        if self._instance is not None:
            _close(self._instance.carrier, error)
        if error is not None:
            self._flag("reset", f"client: {error}")
        self._end()

    @override
    def pause_writing(self) -> None:
        if self._instance is not None:
            self._instance.carrier.pause_reading()

    @override
    def resume_writing(self) -> None:
        if self._instance is not None:
            self._instance.carrier.resume_reading()

    # The instance's side.

    def instance_connected(self, instance: "_InstanceSide") -> None:
        """The relay begins."""
        if self._is_over or self._carrier.is_closing():
            instance.carrier.abort()
            return
        self._instance = instance
        _lend(instance.carrier, self.instance_sent)
        self._carrier.resume_reading()
        self._watch_idle()

    def instance_sent(self, chunk: memoryview) -> None:
        """Bytes for the client."""
        self._record.bytes_sent += len(chunk)
        self._carrier.write(chunk)

    def instance_ended(self) -> None:
        """The instance sends no more."""
        self._carrier.write_eof()

    def instance_lost(self, error: Exception | None) -> None:
        """The instance's connection is over."""
        if error is not None:
            self._flag("reset", f"instance: {error}")
        _close(self._carrier, error)

    def instance_paused(self, *, is_paused: bool) -> None:
        """The instance takes no more for now, or takes more again."""
        if is_paused:
            self._carrier.pause_reading()
        else:
            self._carrier.resume_reading()

    # Decisions.

    def _name(self) -> None:
        """Say whose connection it is, and where it is to go."""
        record, chain = self._record, self._serving.chain
        peer = record.facts.peer
        if chain.routes:
            record.route, record.cluster = _way(chain.routes[0])
        record.source = chain.source or (peer.service if peer is not None else "")
        upstream = self._serving.upstream(record.cluster)
        record.destination = chain.destination or (upstream.cluster.service if upstream else "")

    def _denial(self) -> str:
        """Why the client may not be here; empty if it may."""
        peer = self._record.facts.peer
        if peer is not None and peer.serial in self._serving.proxy.revoked:
            return f"the certificate {peer.serial} is revoked"
        policy = self._serving.chain.policy
        if policy is None:
            return ""
        decision = decide_connection(policy, peer)
        return "" if decision.allowed else decision.reason

    def _changed(self) -> None:
        if denial := self._denial():
            self._flag("denied", denial)
            self._cut()
        elif self._serving.is_draining or not self._has_instance():
            if self._undo_drain is None:
                drain_s = self._serving.proxy.drain_s
                self._undo_drain = self._serving.call_later(drain_s, self._drained)
        elif self._undo_drain is not None:
            self._undo_drain()
            self._undo_drain = None

    def _has_instance(self) -> bool:
        """Whether the instance that is connected is still one to be used."""
        if self._choice is None or self._upstream is None:
            return True
        endpoint = self._choice.endpoint
        upstream = self._serving.upstream(self._record.cluster)
        if upstream is None:
            return False
        return any(
            _is_place_of(endpoint, other)
            for group in upstream.cluster.groups
            for other in group.endpoints
        )

    def _drained(self) -> None:
        self._undo_drain = None
        self._flag("drained", "the drain time is over")
        self._cut()

    # Dialling.

    async def _dial(self) -> None:
        try:
            failure = await self._connect()
        except OverloadError as error:
            self._refuse("overflow", str(error))
            return
        finally:
            self._cancel_dial = None
        if failure:
            self._refuse("connect-failure", failure)

    async def _connect(self) -> str:
        """Connect to an instance; says why there is none. Raises OverloadError."""
        route = next(iter(self._serving.chain.routes), None)
        if route is None:
            return "the chain leads nowhere"
        weighted = route.clusters[0]
        self._record.route, self._record.cluster = _way(route)
        upstream = self._serving.upstream(weighted.cluster)
        if upstream is None:
            return f"there is no cluster {weighted.cluster}"
        by_source = any(policy.source_ip for policy in weighted.hash_policies)
        hashed = _hash_of(self._record.facts.remote) if by_source else None
        failure = "no healthy instance"
        tried: frozenset[str] = frozenset()
        for _ in range(ATTEMPTS_MAX):
            choice = upstream.choose(hashed, tried)
            if choice is None or choice.endpoint.id in tried:
                break
            tried |= {choice.endpoint.id}
            self._record.attempts += 1
            try:
                await self._connect_to(upstream, choice)
            except DialError as error:
                failure = f"{choice.endpoint.id}: {error}"
                self._flag("connect-failure", failure)
            else:
                return ""
        return failure

    async def _connect_to(self, upstream: Upstream, choice: Choice) -> None:
        upstream.begin(choice)
        began_s = self._serving.now_s()
        try:
            await upstream.dial(choice, lambda: _InstanceSide(self))
        except DialError:
            upstream.finish(choice, failed=True, latency_s=self._serving.now_s() - began_s)
            raise
        except BaseException:
            upstream.finish(choice, failed=False, latency_s=0.0)  # it says nothing of the instance
            raise
        self._connect_s = self._serving.now_s() - began_s
        if self._is_over:
            upstream.finish(choice, failed=False, latency_s=self._connect_s)
            return
        self._record.endpoint = choice.endpoint.id
        self._upstream, self._choice = upstream, choice

    # Ends.

    def _watch_idle(self) -> None:
        """Look again after the idle time; what has not moved until then is cut."""
        idle_s = self._serving.chain.idle_timeout_s
        if idle_s > 0:
            self._bytes_at_check = self._bytes()
            self._undo_idle = self._serving.call_later(idle_s, self._check_idle)

    def _check_idle(self) -> None:
        self._undo_idle = None
        if self._bytes() != self._bytes_at_check:
            self._watch_idle()
            return
        self._flag("idle-timeout", f"idle for {self._serving.chain.idle_timeout_s:g} s")
        for carrier in self._carriers():
            carrier.close()

    def _bytes(self) -> int:
        return self._record.bytes_received + self._record.bytes_sent

    def _refuse(self, flag: str, detail: str) -> None:
        """Close a connection that goes nowhere."""
        self._flag(flag, detail)
        if flag == "denied":
            self._carrier.close()  # as Consul: the client reads the end
        else:
            self._carrier.abort()

    def _cut(self) -> None:
        for carrier in self._carriers():
            carrier.abort()

    def _carriers(self) -> list[Carrier]:
        return [self._carrier, self._instance.carrier] if self._instance else [self._carrier]

    def _flag(self, flag: str, detail: str) -> None:
        if not self._is_over and flag not in self._record.flags:
            self._record.flags.append(flag)
            self._record.detail = detail

    def _end(self) -> None:
        self._is_over = True
        for undo in (self._undo_changed, self._undo_idle, self._undo_drain):
            if undo is not None:
                undo()
        # What leads back to us: nothing of an ended connection waits for the cyclic collector.
        self._undo_changed = self._undo_idle = self._undo_drain = self._instance = None
        if self._upstream is not None and self._choice is not None:
            self._upstream.finish(self._choice, failed=False, latency_s=self._connect_s)
        self._record.ended_s = self._serving.now_s()
        self._serving.recorder.closed(self._record)


class _InstanceSide(Handler):
    """The dialled connection of a `TcpProxy`."""

    carrier: Carrier

    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy

    @override
    def connection_made(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self._proxy.instance_connected(self)

    @override
    def data_received(self, chunk: bytes) -> None:
        self._proxy.instance_sent(memoryview(chunk))

    @override
    def eof_received(self) -> bool:
        self._proxy.instance_ended()
        return True

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self._proxy.instance_lost(error)

    @override
    def pause_writing(self) -> None:
        self._proxy.instance_paused(is_paused=True)

    @override
    def resume_writing(self) -> None:
        self._proxy.instance_paused(is_paused=False)


def _way(route: Route) -> tuple[str, str]:
    """The names of a route and of the cluster that it leads to."""
    return route.name, route.clusters[0].cluster


def _lend(carrier: Carrier, take: Callable[[memoryview], None]) -> None:
    """What is passed on within the call need not be copied."""
    if isinstance(carrier, SocketCarrier):
        carrier.lend_chunks(take)


def _close(carrier: Carrier, error: Exception | None) -> None:
    """End the other side as this one ended: an end that was an error must not look orderly."""
    if error is None:
        carrier.close()
    else:
        carrier.abort()


def _hash_of(remote: str) -> int:
    """The hash of a client's address without its port."""
    return stable_hash(remote.rpartition(":")[0].encode())


def _is_place_of(endpoint: Endpoint, other: Endpoint) -> bool:
    """Whether a connection to one is one to the other: what may differ is how it is balanced."""
    return (endpoint.id, endpoint.address, endpoint.port, endpoint.path) == (
        other.id,
        other.address,
        other.port,
        other.path,
    )
