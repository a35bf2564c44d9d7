"""Trees in the schema's form merged into one: scalars replace, maps merge, lists append."""

from collections.abc import Iterable
from typing import Any

from agent.config.schema import Kind, Section, fields_of
from agent.config.tree import Block

_APPENDED = {Kind.TEXTS, Kind.OBJECTS, Kind.SECTIONS}
_BY_KEY = {Kind.TEXT_MAP, Kind.DURATION_MAP, Kind.OBJECT}


def merge(trees: Iterable[Block], kind: type[Section]) -> Block:
    """One tree of all, later ones winning; the arguments stay as they are."""
    result = Block()
    for tree in trees:
        _merge_into(result, tree, kind)
    return result


def _merge_into(result: Block, tree: Block, kind: type[Section]) -> None:
    fields = fields_of(kind)
    for key, value in tree.items():
        field = fields[key]
        merged: Any = value
        if field.kind is Kind.SECTION:
            assert field.nested is not None, "a section field names its section"
            merged = merge([part for part in (result.get(key), value) if part], field.nested)
        elif key in result and field.kind in _APPENDED:
            merged = (*result[key], *value)
        elif key in result and field.kind in _BY_KEY:
            merged = {**result[key], **value}
        result.put(key, merged, tree.origins.get(key, result.origins.get(key)))
