"""Refuse circles, merge splitters below splitters, and drop what is not reached."""

from collections.abc import Iterator, Mapping

import msgspec

from catalog.chain.compiled import SPLITTER, ChainNode, ChainSplit
from catalog.chain.errors import GraphError
from catalog.rows.config_entry.service_router import HeaderModifiers
from catalog.rows.config_entry.service_splitter import Split, round_weight


def next_nodes(node: ChainNode) -> Iterator[str]:
    """The nodes that a node leads to."""
    for route in node.routes or ():
        yield route.next_node
        if route.mirror_node:
            yield route.mirror_node
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
                found.extend(_through(split, below) for below in shares(split.next_node))
            flat[key] = msgspec.structs.replace(nodes[key], splits=tuple(found))
        return flat[key].splits or ()

    for key, node in nodes.items():
        if node.type == SPLITTER:
            shares(key)
        else:
            flat[key] = node
    return flat


def _through(outer: ChainSplit, inner: ChainSplit) -> ChainSplit:
    """The share of a share. Of requests the inner splitter decides last, of answers the outer."""
    above, below = outer.definition or Split(), inner.definition or Split()
    request = merged_headers(above.request_headers, below.request_headers)
    response = merged_headers(below.response_headers, above.response_headers)
    weight = round_weight(outer.weight * inner.weight / 100)
    definition = None
    if request or response:
        definition = msgspec.structs.replace(
            below if inner.definition else above,
            weight=weight,
            request_headers=request,
            response_headers=response,
        )
    return ChainSplit(definition=definition, weight=weight, next_node=inner.next_node)


def merged_headers(
    base: HeaderModifiers | None, overriding: HeaderModifiers | None
) -> HeaderModifiers | None:
    """Both changes; of a header that both add or set, the overriding one's."""
    if base is None or overriding is None:
        return base or overriding
    removed = dict.fromkeys((*(base.remove or ()), *(overriding.remove or ())))
    return HeaderModifiers(
        add={**(base.add or {}), **(overriding.add or {})} or None,
        set={**(base.set or {}), **(overriding.set or {})} or None,
        remove=tuple(removed) or None,
    )


def targets_of(nodes: Mapping[str, ChainNode]) -> list[str]:
    """The targets that the nodes lead to, sorted, those of failovers too."""
    found: set[str] = set()
    for node in nodes.values():
        if node.resolver is not None:
            found.add(node.resolver.target)
            found.update(node.resolver.failover.targets if node.resolver.failover else ())
    return sorted(found)


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
