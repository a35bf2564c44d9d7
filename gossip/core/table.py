"""The nodes that membership (memberlist) knows, ourselves included, in an order to probe them.

Lookup, insertion at a random place and a random draw are O(1). A walk probes each node once a
round; at its end dead and left nodes that had their time to refute vanish and the rest is
shuffled. Source: SWIM §4.3 (round-robin probe target selection).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from gossip.core.select import choose
from gossip.core.types import Address, Incarnation, NodeState, Rng, State, Versions

NODES_MAX: Final = 131_072  # far above any pool; bounds memory when forged names flood in


class Node(msgspec.Struct):
    """What is known of one node; changed in place by the rules of ``members`` only."""

    name: str
    address: Address
    meta: bytes
    versions: Versions
    incarnation: Incarnation
    state: State
    changed_at: float
    tags: dict[str, str]
    accused_at: float = float("-inf")  # when it was last sent the accusation against it

    @property
    def is_gone(self) -> bool:
        """Whether it is dead or left."""
        return self.state >= State.DEAD


class NodeTable:
    """All known nodes. ``len`` is the n of every formula."""

    __slots__ = ("_by_name", "_cursor", "_order", "_rng", "alive_count")

    def __init__(self, rng: Rng) -> None:
        self._by_name: dict[str, Node] = {}
        self._order: list[Node] = []
        self._cursor = 0
        self._rng = rng
        self.alive_count = 0

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._order)

    def get(self, name: str) -> Node | None:
        """The node called ``name``."""
        return self._by_name.get(name)

    @property
    def nodes(self) -> Sequence[Node]:
        """All nodes in random order, to draw from."""
        return self._order

    @property
    def is_full(self) -> bool:
        """Whether no unknown node may be added."""
        return len(self._by_name) >= NODES_MAX

    def add(self, node: Node) -> None:
        """Add an unknown, not alive node at a random place of the walk."""
        assert node.name not in self._by_name
        assert node.is_gone
        self._by_name[node.name] = node
        self._order.append(node)
        place = self._rng.randrange(len(self._order))
        self._order[place], self._order[-1] = self._order[-1], self._order[place]

    def set_state(self, node: Node, state: State, now: float) -> None:
        """Move ``node`` to ``state``."""
        self.alive_count += (state < State.DEAD) - (node.state < State.DEAD)
        node.state = state
        node.changed_at = now

    def next_target(self, name_self: str, kept_since: float) -> Node | None:
        """The next node to probe: not ourselves, not gone. None when there is nobody.

        At the end of the walk nodes gone since before ``kept_since`` are forgotten.
        """
        for _ in range(2):
            while self._cursor < len(self._order):
                node = self._order[self._cursor]
                self._cursor += 1
                if node.name != name_self and not node.is_gone:
                    return node
            self._start_round(name_self, kept_since)
        return None

    def choose(self, count: int, fits: Callable[[Node], bool]) -> list[Node]:
        """Up to ``count`` random nodes that fit."""
        return choose(self._rng, self._order, count, fits)

    def snapshot(self) -> tuple[NodeState, ...]:
        """Every node, as a push/pull sends it."""
        return tuple(
            NodeState(n.name, n.address, n.meta, n.incarnation, n.state, n.versions)
            for n in self._order
        )

    def _start_round(self, name_self: str, kept_since: float) -> None:
        kept = [
            node
            for node in self._order
            if not node.is_gone or node.changed_at > kept_since or node.name == name_self
        ]
        if len(kept) < len(self._order):
            self._by_name = {node.name: node for node in kept}
        self._order = kept
        self._rng.shuffle(self._order)
        self._cursor = 0
