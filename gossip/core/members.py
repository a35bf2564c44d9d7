"""Who is alive: merging alive, suspect and dead claims, and refuting those about ourselves.

Claims are ordered by incarnation; only the node itself raises its own. At equal incarnations
suspect beats alive and dead beats both. Differences to memberlist, all compatible on the wire:
the highest incarnation of a dead node is kept, so that a late alive cannot raise it; a node whose
alive is stale is sent the accusation, so that a restarted one learns what to refute; addresses
are compared in their normal form. Source: SWIM §4.2; Lifeguard, arXiv:1707.00788 (Buddy System).
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from gossip.core.awareness import Awareness
from gossip.core.broadcast import BroadcastQueue
from gossip.core.effects import SendPacket
from gossip.core.policy import Policy
from gossip.core.schedule import Timer, TimerKind
from gossip.core.sizes import message_bytes
from gossip.core.surroundings import Surroundings
from gossip.core.suspicion import Suspicion, confirmations_max, suspicion_min_s
from gossip.core.table import Node, NodeTable
from gossip.core.types import (
    META_BYTES_MAX,
    NAME_BYTES_MAX,
    UINT32_MASK,
    Address,
    Alive,
    Dead,
    Incarnation,
    State,
    Suspect,
    normalized_ip,
)

ACCUSATION_INTERVAL_S: Final = 1.0  # stale alives come in bursts; one answer a second is enough


class Listener(Protocol):
    """Hears what became of nodes: the cluster layer."""

    def node_joined(self, node: Node) -> None:
        """``node`` is alive and was not before."""
        ...

    def node_left(self, node: Node) -> None:
        """``node`` is dead or left and was not before."""
        ...

    def node_updated(self, node: Node) -> None:
        """The tags of an alive ``node`` changed."""
        ...

    def node_conflict(self, node: Node, other: Address) -> None:
        """``other`` claims to be ``node`` too."""
        ...


class Members:
    """The merge rules over the node table of one node."""

    def __init__(
        self,
        around: Surroundings,
        table: NodeTable,
        queue: BroadcastQueue,
        policy: Policy,
        listener: Listener,
    ) -> None:
        self._around = around
        self._table = table
        self._queue = queue
        self._policy = policy
        self._listener = listener
        self._suspicions: dict[str, Suspicion] = {}
        self._incarnation = 0
        self.awareness = Awareness(around.config.awareness_max)
        self.has_left = False

    @property
    def me(self) -> Node:
        """Our own entry; there from the first ``announce`` on."""
        node = self._table.get(self._around.config.name)
        assert node is not None
        return node

    def announce(self, meta: bytes, done: Callable[[], None] | None = None) -> None:
        """Tell everybody that we are alive with ``meta``: at the start, and for new tags."""
        config = self._around.config
        alive = Alive(self._next_incarnation(), config.name, config.address, meta, config.versions)
        node = self._table.get(config.name) or self._add(alive)
        self._accept(node, alive, done)

    def alive(self, alive: Alive) -> None:
        """Merge a claim from the network that a node is alive."""
        alive = self._normalized(alive)
        is_me = alive.node == self._around.config.name
        if (self.has_left and is_me) or not self._is_acceptable(alive):
            return
        node = self._table.get(alive.node)
        if node is None:
            if self._table.is_full:
                self._around.warn("node table is full", node=alive.node)
                return
            self._accept(self._add(alive), alive)
        elif node.address != alive.address and not self._may_reclaim(node):
            self._listener.node_conflict(node, alive.address)
        elif is_me:
            if alive.incarnation > node.incarnation or (
                alive.incarnation == node.incarnation
                and (alive.meta, alive.versions) != (node.meta, node.versions)
            ):
                self._refute(alive.incarnation)
        elif alive.incarnation > node.incarnation or node.address != alive.address:
            self._accept(node, alive)
        else:
            self._accuse(node)

    def suspect(self, claim: Suspect) -> None:
        """Merge a claim that a node cannot be reached."""
        node = self._table.get(claim.node)
        if node is None or claim.incarnation < node.incarnation:
            return
        suspicion = self._suspicions.get(claim.node)
        if suspicion is not None:
            if suspicion.confirm(claim.accuser):
                self._around.schedule.set(
                    Timer(TimerKind.SUSPICION, node.name), suspicion.deadline()
                )
                self._gossip(claim)
        elif node.state is not State.ALIVE:
            return
        elif node.name == self._around.config.name:
            self._refute(claim.incarnation)
        else:
            self._gossip(claim)
            node.incarnation = claim.incarnation
            self._table.set_state(node, State.SUSPECT, self._around.now)
            self._start_suspicion(claim)

    def dead(self, claim: Dead, done: Callable[[], None] | None = None) -> None:
        """Merge a claim that a node is dead, or left when it says so itself."""
        node = self._table.get(claim.node)
        if node is None or claim.incarnation < node.incarnation:
            return
        self._drop_suspicion(node.name)
        if node.is_gone:
            node.incarnation = claim.incarnation
            return
        if node.name == self._around.config.name and not self.has_left:
            self._refute(claim.incarnation)
            return
        self._gossip(claim, done)
        node.incarnation = claim.incarnation
        state = State.LEFT if claim.accuser == claim.node else State.DEAD
        self._table.set_state(node, state, self._around.now)
        self._listener.node_left(node)

    def suspicion_expired(self, name: str) -> None:
        """Nobody refuted in time: declare ``name`` dead."""
        suspicion = self._suspicions.pop(name)
        self.dead(Dead(Incarnation(suspicion.incarnation), name, self._around.config.name))

    def leave(self, done: Callable[[], None]) -> None:
        """Say goodbye to everybody; ``done`` when it was sent often enough."""
        self.has_left = True
        name = self._around.config.name
        self.dead(Dead(self.me.incarnation, name, name), done)

    def _accept(self, node: Node, alive: Alive, done: Callable[[], None] | None = None) -> None:
        self._drop_suspicion(node.name)
        self._gossip(alive, done)
        was_gone, meta_before = node.is_gone, node.meta
        node.incarnation = alive.incarnation
        node.address = alive.address
        node.versions = alive.versions
        if node.meta != alive.meta or was_gone:
            node.meta = alive.meta
            node.tags = self._around.payloads.decode_tags(alive.meta)
        if node.state is not State.ALIVE:
            self._table.set_state(node, State.ALIVE, self._around.now)
        if was_gone:
            self._listener.node_joined(node)
        elif meta_before != alive.meta:
            self._listener.node_updated(node)

    def _add(self, alive: Alive) -> Node:
        node = Node(
            name=alive.node,
            address=alive.address,
            meta=b"",
            versions=alive.versions,
            incarnation=Incarnation(0),
            state=State.DEAD,
            changed_at=self._around.now,
            tags={},
        )
        self._table.add(node)
        return node

    def _is_acceptable(self, alive: Alive) -> bool:
        """Whether the claim is well-formed and the application admits the node."""
        versions = alive.versions
        if versions.protocol_max == 0 or versions.protocol_min > versions.protocol_max:
            self._around.warn("alive without protocol versions", node=alive.node)
            return False
        well_formed = (
            0 < len(alive.node) <= NAME_BYTES_MAX
            and len(alive.meta) <= META_BYTES_MAX
            and len(alive.address.ip) in {4, 16}
        )
        if not well_formed:
            self._around.warn("malformed alive", node=alive.node[:NAME_BYTES_MAX])
            return False
        node = self._table.get(alive.node)
        if alive.node == self._around.config.name or (
            node is not None
            and not node.is_gone
            and (node.meta, node.address) == (alive.meta, alive.address)
        ):
            return True  # admitted before, or not ours to refuse
        tags = self._around.payloads.decode_tags(alive.meta)
        reason = self._policy.refuse([Newcomer(alive.node, alive.address, tags)])
        if reason:
            self._around.warn("node refused", node=alive.node, detail=reason)
        return not reason

    def _may_reclaim(self, node: Node) -> bool:
        """Whether another address may take the name of ``node`` over."""
        if node.state is State.LEFT:
            return True
        reclaim_s = self._around.config.dead_reclaim_s
        gone_s = self._around.now - node.changed_at
        return node.state is State.DEAD and 0 < reclaim_s < gone_s

    def _refute(self, accused: int) -> None:
        """Claim to be alive with an incarnation above the accusation."""
        node = self.me
        self.awareness.add(1)
        node.incarnation = self._next_incarnation(above=accused)
        self._gossip(Alive(node.incarnation, node.name, node.address, node.meta, node.versions))

    def _next_incarnation(self, above: int = 0) -> Incarnation:
        self._incarnation = min(UINT32_MASK, max(self._incarnation, above) + 1)
        return Incarnation(self._incarnation)

    def _start_suspicion(self, claim: Suspect) -> None:
        config = self._around.config
        count = len(self._table)
        min_s = suspicion_min_s(config.suspicion_mult, count, config.probe_interval_s)
        suspicion = Suspicion(
            first=claim.accuser,
            incarnation=claim.incarnation,
            confirmations_max=confirmations_max(config.suspicion_mult, count),
            min_s=min_s,
            max_s=config.suspicion_max_mult * min_s,
            now=self._around.now,
        )
        self._suspicions[claim.node] = suspicion
        self._around.schedule.set(Timer(TimerKind.SUSPICION, claim.node), suspicion.deadline())

    def _drop_suspicion(self, name: str) -> None:
        if self._suspicions.pop(name, None) is not None:
            self._around.schedule.cancel(Timer(TimerKind.SUSPICION, name))

    def _accuse(self, node: Node) -> None:
        """Tell a node whose alive is stale what is held against it, so that it refutes."""
        now, incarnation, name = self._around.now, node.incarnation, node.name
        if now - node.accused_at < ACCUSATION_INTERVAL_S:
            return
        claim: Suspect | Dead
        match node.state:
            case State.ALIVE:
                return
            case State.SUSPECT:
                claim = Suspect(incarnation, name, self._around.config.name)
            case State.DEAD:
                claim = Dead(incarnation, name, self._around.config.name)
            case State.LEFT:
                claim = Dead(incarnation, name, name)
        node.accused_at = now
        self._around.emit(SendPacket(node.address, (claim,)))

    def _gossip(
        self, claim: Alive | Suspect | Dead, done: Callable[[], None] | None = None
    ) -> None:
        self._queue.add(claim, message_bytes(claim), name=claim.node, done=done)

    def _normalized(self, alive: Alive) -> Alive:
        """The claim with the normal form of its address, its port filled in."""
        ip = normalized_ip(alive.address.ip)
        port = alive.address.port or self._around.config.address.port
        if alive.address == (ip, port):
            return alive
        return msgspec.structs.replace(alive, address=Address(ip, port))


class Newcomer(msgspec.Struct, frozen=True):
    """A node as the policy is asked about it."""

    name: str
    address: Address
    tags: dict[str, str]
