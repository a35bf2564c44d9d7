"""Exchanging whole tables over streams: to join a pool, and now and then to repair gossip.

Both sides send everything and merge what they got. A difference to memberlist: the accepting side
judges the request before it answers, so a refused joiner hears why instead of believing that it
joined. Source: memberlist's push/pull; SWIM leaves full synchronisation open.
"""

import math
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from gossip.core.effects import AnswerStream, Completed, OpenStream
from gossip.core.inputs import Join, JoinTarget
from gossip.core.members import Members, Newcomer
from gossip.core.policy import Policy
from gossip.core.schedule import Timer, TimerKind
from gossip.core.surroundings import Surroundings
from gossip.core.table import NodeTable
from gossip.core.types import (
    Alive,
    ClusterState,
    Dead,
    ErrorReply,
    NodeState,
    PushPull,
    State,
    StreamMessage,
    Suspect,
    Versions,
    normalized_ip,
)

SCALE_FREE_NODES: Final = 32  # up to here every node exchanges at the plain interval
JOINS_MAX: Final = 64  # joins under way at once; each waits for one stream at a time
TAKE_OVER_RETRY_S: Final = 5.0  # between exchanges while a peer holds our name for a former us
STREAM_GRACE_S: Final = 1.0  # the driver reports before the deadline; this much later we give up
REQUESTLESS: Final = -1  # a join of our own making (reconnect, rejoin) is answered to nobody


class ClusterStates(Protocol):
    """The cluster layer's part of an exchange."""

    def local_state(self) -> ClusterState:
        """What we send."""
        ...

    def merge_state(self, state: ClusterState, *, ignore_old_events: bool) -> None:
        """Take in what a peer sent."""
        ...

    def joined(self) -> None:
        """A join reached at least one peer."""
        ...


class _Exchange(msgspec.Struct):
    """A push/pull that we started; of a ``join`` when there is one."""

    target: JoinTarget
    join: "_JoinUnderWay | None"


class _JoinUnderWay(msgspec.Struct):
    """A join: targets are tried one after the other."""

    request: int
    targets: list[JoinTarget]
    ignore_old_events: bool
    stop_at_first: bool
    count: int = 0
    error: str = ""


class Exchanger:
    """Push/pulls of one node, in and out."""

    def __init__(
        self,
        around: Surroundings,
        table: NodeTable,
        members: Members,
        policy: Policy,
        cluster: ClusterStates,
    ) -> None:
        self._around = around
        self._table = table
        self._members = members
        self._policy = policy
        self._cluster = cluster
        self._exchanges: dict[int, _Exchange] = {}
        self._join_count = 0

    def start(self) -> None:
        """Begin the periodic exchange after a random part of its interval."""
        around = self._around
        stagger_s = around.rng.random() * around.config.push_pull_interval_s
        around.schedule.set(Timer(TimerKind.PUSH_PULL), around.now + stagger_s)

    def tick(self) -> None:
        """Exchange with one random alive peer."""
        around, config = self._around, self._around.config
        interval_s = config.push_pull_interval_s * interval_scale(len(self._table))
        around.schedule.set(Timer(TimerKind.PUSH_PULL), around.now + interval_s)
        peers = self._table.choose(
            1, lambda node: node.state is State.ALIVE and node.name != config.name
        )
        for peer in peers:
            self._open(_Exchange(JoinTarget(peer.address, peer.name), None))

    def join(self, command: Join, *, stop_at_first: bool = False) -> None:
        """Exchange with every target, or until the first that works."""
        if self._join_count >= JOINS_MAX:
            self._complete(command.request, "too many joins at once", 0)
            return
        self._join_count += 1
        targets = list(reversed(command.targets))
        self._join_next(
            _JoinUnderWay(command.request, targets, command.ignore_old_events, stop_at_first)
        )

    def answered(self, stream: int, message: StreamMessage | None, error: str) -> bool:
        """Take the end of a stream of ours; False when ``stream`` is none."""
        exchange = self._exchanges.pop(stream, None)
        if exchange is None:
            return False
        self._around.schedule.cancel(Timer(TimerKind.STREAM_END, stream))
        match message:
            case PushPull():
                join = exchange.join
                error = self._merge(message, ignore_old=join is not None and join.ignore_old_events)
            case ErrorReply(text=text):
                error = f"remote error: {text}"
            case _:
                error = error or "unexpected answer"
        self._exchange_ended(exchange, error)
        return True

    def expired(self, stream: int) -> None:
        """The driver did not report in time."""
        exchange = self._exchanges.pop(stream)
        self._exchange_ended(exchange, "timed out")

    def requested(self, stream: int, message: PushPull) -> None:
        """Answer a peer's push/pull: judge, answer, merge."""
        error = self._refusal(message)
        if error:
            self._around.warn("push/pull refused", detail=error)
            self._around.emit(AnswerStream(stream, ErrorReply(error)))
            return
        self._around.emit(AnswerStream(stream, self._local(join=message.join)))
        self._take_in(message, ignore_old=False)

    def _join_next(self, join: _JoinUnderWay) -> None:
        is_enough = join.stop_at_first and join.count > 0
        if join.targets and not is_enough:
            self._open(_Exchange(join.targets.pop(), join))
            return
        self._join_count -= 1
        if join.count:
            self._cluster.joined()
        self._complete(join.request, "" if join.count else join.error, join.count)

    def _complete(self, request: int, error: str, count: int) -> None:
        if request != REQUESTLESS:
            self._around.emit(Completed(request, error, count))

    def _open(self, exchange: _Exchange) -> None:
        around = self._around
        stream = around.next_stream()
        deadline = around.now + around.config.tcp_timeout_s
        self._exchanges[stream] = exchange
        around.schedule.set(Timer(TimerKind.STREAM_END, stream), deadline + STREAM_GRACE_S)
        target = exchange.target
        message = self._local(join=exchange.join is not None)
        around.emit(OpenStream(stream, target.address, target.name, message, deadline))

    def _exchange_ended(self, exchange: _Exchange, error: str) -> None:
        join = exchange.join
        if error:
            self._around.warn("push/pull failed", node=exchange.target.name, detail=error)
        if join is not None:
            join.count += not error
            join.error = join.error or error
            self._join_next(join)

    def _local(self, *, join: bool) -> PushPull:
        return PushPull(self._table.snapshot(), join, self._cluster.local_state())

    def _merge(self, message: PushPull, *, ignore_old: bool) -> str:
        error = self._refusal(message)
        if not error:
            self._take_in(message, ignore_old=ignore_old)
            if any(self._is_former_me(node) for node in message.nodes):
                around = self._around
                around.schedule.set(Timer(TimerKind.PUSH_PULL), around.now + TAKE_OVER_RETRY_S)
        return error

    def _refusal(self, message: PushPull) -> str:
        """Why this table may not be merged; empty when it may."""
        if error := version_conflict(message.nodes, self._table.nodes):
            return error
        newcomers = [
            Newcomer(node.name, node.address, self._tags_of(node))
            for node in message.nodes
            if node.state is not State.LEFT and not self._is_me(node)
        ]
        return self._policy.refuse(newcomers)

    def _is_me(self, node: NodeState) -> bool:
        """Whether a node of a peer's table is this one.

        Not one that lives elsewhere under our name. If it is suspected or dead there, it may be
        what the peer remembers of us, before we were started anew at another address.
        """
        if node.name != self._around.config.name:
            return False
        return node.state is not State.ALIVE or not self._is_elsewhere(node)

    def _is_former_me(self, node: NodeState) -> bool:
        """Whether a peer holds our name for another address: it will be ours some time after its
        holder has died, but nobody would tell the peer of us again then.
        """
        is_named_so = node.name == self._around.config.name and node.state is not State.LEFT
        return is_named_so and self._is_elsewhere(node)

    def _is_elsewhere(self, node: NodeState) -> bool:
        """Whether a node has another address than ours."""
        own = self._around.config.address
        there = (normalized_ip(node.address.ip), node.address.port or own.port)
        return there != (normalized_ip(own.ip), own.port)

    def _tags_of(self, node: NodeState) -> dict[str, str]:
        known = self._table.get(node.name)
        if known is not None and known.meta == node.meta:
            return known.tags
        return self._around.payloads.decode_tags(node.meta)

    def _take_in(self, message: PushPull, *, ignore_old: bool) -> None:
        for node in message.nodes:
            self._take_in_node(node)
        if message.state is not None:
            self._cluster.merge_state(message.state, ignore_old_events=ignore_old)

    def _take_in_node(self, node: NodeState) -> None:
        members, name_self = self._members, self._around.config.name
        match node.state:
            case State.ALIVE:
                members.alive(
                    Alive(node.incarnation, node.name, node.address, node.meta, node.versions)
                )
            case State.LEFT:
                members.dead(Dead(node.incarnation, node.name, node.name))
            case State.SUSPECT | State.DEAD:
                # Never dead at once: it may have refuted since the peer last heard of it.
                members.suspect(Suspect(node.incarnation, node.name, name_self))


def interval_scale(node_count: int) -> int:
    """How many plain intervals lie between exchanges: doubling the pool adds one."""
    if node_count <= SCALE_FREE_NODES:
        return 1
    return math.ceil(math.log2(node_count) - math.log2(SCALE_FREE_NODES)) + 1


class _Versioned(Protocol):
    """A node with its versions."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def versions(self) -> Versions: ...


def version_conflict(remote: Sequence[_Versioned], local: Sequence[_Versioned]) -> str:
    """Why the two tables cannot talk to each other; empty when they can.

    What every alive node understands bounds what each node may speak, the dead ones included.
    """
    nodes = [*remote, *local]
    alive = [n.versions for n in nodes if n.state is State.ALIVE and n.versions.protocol_max > 0]
    protocol_low = max((v.protocol_min for v in alive), default=0)
    protocol_high = min((v.protocol_max for v in alive), default=255)
    delegate_low = max((v.delegate_min for v in alive), default=0)
    delegate_high = min((v.delegate_max for v in alive), default=255)
    for node in nodes:
        spoken = node.versions
        if not protocol_low <= spoken.protocol <= protocol_high:
            return (
                f"node {node.name!r} protocol version ({spoken.protocol}) is incompatible: "
                f"[{protocol_low}, {protocol_high}]"
            )
        if not delegate_low <= spoken.delegate <= delegate_high:
            return (
                f"node {node.name!r} delegate protocol version ({spoken.delegate}) is "
                f"incompatible: [{delegate_low}, {delegate_high}]"
            )
    return ""
