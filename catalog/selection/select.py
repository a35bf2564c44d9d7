"""Which instances of a service a prepared query selects."""

from collections.abc import Callable, Mapping
from typing import Any

from catalog.rows.check import CRITICAL, PASSING, CheckServiceNode
from catalog.rows.query import QueryService


def select(
    service: QueryService,
    nodes: tuple[CheckServiceNode, ...],
    shuffle: Callable[[list[Any]], None],
) -> tuple[CheckServiceNode, ...]:
    """The instances that pass every condition of a query, in random order.

    ``shuffle`` mixes a list in place. Critical instances never pass; the checks that the query
    ignores have no say. Sorting by distance and the limit come after (``sort_by_distance``,
    ``limited``).
    """
    ignored = frozenset(service.ignore_check_ids or ())
    wanted, unwanted = _tags(service.tags or ())
    selected = [
        node
        for node in nodes
        if _is_healthy(node, ignored, only_passing=service.only_passing)
        and _has(node.node.meta, service.node_meta)
        and _has(node.service.meta, service.service_meta)
        and _is_tagged(node, wanted, unwanted)
    ]
    shuffle(selected)
    return tuple(selected)


def limited(nodes: tuple[CheckServiceNode, ...], limit: int) -> tuple[CheckServiceNode, ...]:
    """The first ``limit`` instances; all if it is 0 or less."""
    return nodes[:limit] if limit > 0 else nodes


def _is_healthy(node: CheckServiceNode, ignored: frozenset[str], *, only_passing: bool) -> bool:
    statuses = (check.status for check in node.checks if check.check_id not in ignored)
    if only_passing:
        return all(status == PASSING for status in statuses)
    return all(status != CRITICAL for status in statuses)


def _has(meta: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> bool:
    present = meta or {}
    return all(present.get(key) == value for key, value in (wanted or {}).items())


def _tags(tags: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """The tags that must be there and those (``!tag``) that must not, in lower case."""
    folded = [tag.lower() for tag in tags]
    return (
        frozenset(tag for tag in folded if not tag.startswith("!")),
        frozenset(tag[1:] for tag in folded if tag.startswith("!")),
    )


def _is_tagged(node: CheckServiceNode, wanted: frozenset[str], unwanted: frozenset[str]) -> bool:
    present = {tag.lower() for tag in node.service.tags or ()}
    return wanted <= present and not unwanted & present
