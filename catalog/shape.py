"""The JSON shape of rows: field order and names as declared, Go's ``omitempty`` and ``null``.

``to_json(row)`` gives plain dicts and lists that ``msgspec.json.encode`` writes as is. Rules:
``Omit`` fields vanish while empty (numbers that may be None: while None), ``Hidden`` ones always; a
``Duration`` field becomes its text, bytes become base64 (``null`` when empty), None stays ``null``.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

import msgspec

from catalog.duration import format_duration
from catalog.schema import Row, plain_type


def marks(hint: Any) -> frozenset[str]:
    """The field marks (``omit_empty``, ``hidden``, ``unfiltered``) of a type annotation."""
    found: set[str] = set()
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.extra:
            found.update(meta.extra)
    return frozenset(found)


class _FieldShape:
    __slots__ = ("attribute", "name", "omitted", "write")

    def __init__(self, attribute: str, name: str, hint: Any) -> None:
        field_marks = marks(hint)
        self.attribute = attribute
        self.name = name
        self.omitted: Callable[[Any], bool] = _never
        if "omit_empty" in field_marks:
            self.omitted = _is_none if _is_pointer(hint) else _is_empty
        self.write = format_duration if "duration" in field_marks else to_json


@cache
def _fields(row: type[Row]) -> tuple[_FieldShape, ...]:
    hints = get_type_hints(row, include_extras=True)
    return tuple(
        _FieldShape(field.name, field.encode_name, hints[field.name])
        for field in msgspec.structs.fields(row)
        if "hidden" not in marks(hints[field.name])
    )


def _is_pointer(hint: Any) -> bool:
    """Whether a number or truth may be absent: then zero is a value (Go's ``*int``)."""
    return plain_type(hint) in {int, float, bool} and NoneType in get_args(get_args(hint)[0])


def _never(_value: Any) -> bool:
    return False


def _is_none(value: Any) -> bool:
    return value is None


def _is_empty(value: Any) -> bool:
    # Go never omits a struct, however empty its fields are.
    return not isinstance(value, Row) and not value


def _row(row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for field in _fields(type(row)):
        value = getattr(row, field.attribute)
        if field.omitted(value):
            continue
        shown[field.name] = field.write(value)
    return shown


def _bytes(value: bytes) -> str | None:
    return b64encode(value).decode() if value else None


def _same(value: Any) -> Any:
    return value


_WRITERS: dict[type, Callable[[Any], Any]] = {
    str: _same,
    int: _same,
    bool: _same,
    float: _same,
    type(None): _same,
    bytes: _bytes,
    tuple: lambda value: [to_json(item) for item in value],
    list: lambda value: [to_json(item) for item in value],
    dict: lambda value: {key: to_json(item) for key, item in value.items()},
}


def to_json(value: Any) -> Any:
    """A row, or any nest of rows in lists and maps, as plain JSON values."""
    writer = _WRITERS.get(type(value))
    return _row(value) if writer is None else writer(value)
