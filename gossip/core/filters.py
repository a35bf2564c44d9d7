"""Which nodes a query is for.

Expressions come from the network and run on every member, so they are RE2: linear in the text,
whatever the expression; the library is loaded when the first one comes. Source: Serf's query
filters (an unanchored match of a tag's value).
"""

from collections.abc import Sequence
from typing import Final, assert_never

from gossip.core.types import Filter, NodeFilter, TagFilter, UnknownFilter

PATTERN_BYTES_MAX: Final = 1 << 20  # RE2's memory for one compiled expression


def passes(filters: Sequence[Filter], name: str, tags: dict[str, str]) -> bool:
    """Whether the node ``name`` with ``tags`` is meant; an unreadable filter means nobody."""
    return all(_passes_one(item, name, tags) for item in filters)


def _passes_one(item: Filter, name: str, tags: dict[str, str]) -> bool:
    match item:
        case NodeFilter(names=names):
            return name in names
        case TagFilter(tag=tag, expression=expression):
            return _is_found(expression, tags.get(tag, ""))
        case UnknownFilter():
            return False
        case _:
            assert_never(item)


def _is_found(expression: str, text: str) -> bool:
    import re2

    options = re2.Options()
    options.max_mem = PATTERN_BYTES_MAX
    options.log_errors = False
    try:
        return re2.compile(expression, options).search(text) is not None
    except re2.error:
        return False
