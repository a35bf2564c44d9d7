"""Which instances stand behind a target of a discovery chain."""

from collections.abc import Iterable

from catalog.chain.compiled import ChainTarget
from catalog.filters import compile_filter
from catalog.rows.check import CRITICAL, PASSING, CheckServiceNode


def endpoints_of(
    target: ChainTarget, nodes: Iterable[CheckServiceNode]
) -> tuple[CheckServiceNode, ...]:
    """The instances of the target's service that its subset takes, without the critical ones.

    Raises FilterError: a subset's filter is not read when its entry is stored.
    """
    accepts = compile_filter(target.subset.filter, CheckServiceNode)
    only_passing = target.subset.only_passing
    return tuple(
        node for node in nodes if accepts(node) and _is_usable(node, only_passing=only_passing)
    )


def _is_usable(node: CheckServiceNode, *, only_passing: bool) -> bool:
    if only_passing:
        return all(check.status == PASSING for check in node.checks)
    return all(check.status != CRITICAL for check in node.checks)
