"""Refuse circles, merge splitters below splitters, and drop what is not reached."""

from collections.abc import Iterator, Mapping

import msgspec

from catalog.chain.compiled import SPLITTER, ChainNode, ChainSplit
from catalog.chain.errors import GraphError
from catalog.rows.config_entry.service_splitter import round_weight


def next_nodes(node: ChainNode) -> Iterator[str]:
    """The nodes that a node leads to."""
    for route in node.routes or ():
        yield route.next_node
    for split in node.splits or ():
        yield split.next_node


def refuse_circles(start: str, nodes: Mapping[str, ChainNode]) -> None:
    """Raise GraphError if a path comes back to a node that it has passed."""
    # An explicit stack: a chain may be longer than the interpreter's own.
    path: list[str] = [start]
    pending = [next_nodes(nodes[start])]
    done: set[str] = set()
    while pending:
        following = next(pending[-1], None)
        if following is None:
            pending.pop()
            done.add(path.pop())
        elif following in path:
            listed = " -> ".join((*path[path.index(following) :], following))
            message = f"detected circular reference: [{listed}]"
            raise GraphError(message)
        elif following not in done:
            path.append(following)
            pending.append(next_nodes(nodes[following]))


def flatten_splitters(nodes: Mapping[str, ChainNode]) -> dict[str, ChainNode]:
    """The nodes with every splitter leading past other splitters. There must be no circle."""
    flat: dict[str, ChainNode] = {}

    def shares(key: str) -> tuple[ChainSplit, ...]:
        if key not in flat:
            found: list[ChainSplit] = []
            for split in nodes[key].splits or ():
                if nodes[split.next_node].type != SPLITTER:
                    found.append(split)
                    continue
                for below in shares(split.next_node):
                    weight = round_weight(split.weight * below.weight / 100)
                    found.append(ChainSplit(weight=weight, next_node=below.next_node))
            flat[key] = msgspec.structs.replace(nodes[key], splits=tuple(found))
        return flat[key].splits or ()

    for key, node in nodes.items():
        if node.type == SPLITTER:
            shares(key)
        else:
            flat[key] = node
    return flat


def reachable(start: str, nodes: Mapping[str, ChainNode]) -> dict[str, ChainNode]:
    """The nodes that some request can come to, sorted by id."""
    found = {start}
    pending = [start]
    while pending:
        for following in next_nodes(nodes[pending.pop()]):
            if following not in found:
                found.add(following)
                pending.append(following)
    return {key: nodes[key] for key in sorted(found)}
