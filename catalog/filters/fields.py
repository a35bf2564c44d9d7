"""Which selectors a row has, read from its declaration.

Names are the API's; fields marked ``Unfiltered`` or ``Hidden`` are no selectors. Nested rows and
lists of rows are stepped through, maps take any key.
"""

from functools import cache
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

from catalog.filters.syntax import FilterError, Operator
from catalog.schema import Row, plain_type
from catalog.shape import marks

FieldKind: TypeAlias = Literal["str", "int", "float", "bool", "list", "map", "row"]

_EQUALITY = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})
_MEMBERSHIP = frozenset({Operator.IN, Operator.NOT_IN})
_EMPTINESS = frozenset({Operator.IS_EMPTY, Operator.IS_NOT_EMPTY})
_PATTERNS = frozenset({Operator.MATCHES, Operator.NOT_MATCHES})
_NUMBERS: dict[type, FieldKind] = {bool: "bool", int: "int", float: "float"}


class Field(msgspec.Struct, frozen=True):
    """A place that a selector can reach.

    ``fields`` are the steps of a row by API name, each with its attribute; ``item`` is what a list
    or map holds.
    """

    kind: FieldKind
    operators: frozenset[Operator]
    fields: dict[str, tuple[str, "Field"]] = {}
    item: "Field | None" = None


@cache
def row_field(row: type[Row]) -> Field:
    """The root of a row's selectors."""
    hints = get_type_hints(row, include_extras=True)
    fields: dict[str, tuple[str, Field]] = {}
    for field in msgspec.structs.fields(row):
        hint = hints[field.name]
        if marks(hint) & {"unfiltered", "hidden"}:
            continue
        described = _field(hint)
        if described is not None:
            fields[field.encode_name] = (field.name, described)
    return Field("row", frozenset(), fields)


def _field(hint: Any) -> Field | None:
    """What a type annotation allows; None for types that the language does not know."""
    plain = plain_type(hint)
    if plain is str:
        return Field("str", _EQUALITY | _MEMBERSHIP | _EMPTINESS | _PATTERNS)
    if plain in _NUMBERS:
        return Field(_NUMBERS[plain], _EQUALITY)
    if isinstance(plain, type) and issubclass(plain, Row):
        return row_field(plain)
    arguments = get_args(plain)
    if get_origin(plain) is tuple:
        item = _field(arguments[0])
        if item is None:
            return None
        operators = _EMPTINESS if item.kind in {"row", "list", "map"} else _EMPTINESS | _MEMBERSHIP
        return Field("list", operators, item.fields, item)
    if get_origin(plain) is dict:
        item = _field(arguments[1])
        return None if item is None else Field("map", _EMPTINESS | _MEMBERSHIP, item=item)
    return None


def resolve(root: Field, path: tuple[str, ...]) -> Field:
    """The field that a path ends at. Raises FilterError: ``Selector "x" is not valid``."""
    field = root
    for depth, name in enumerate(path, start=1):
        step = _step(field, name)
        if step is None:
            message = f'Selector "{".".join(path[:depth])}" is not valid'
            raise FilterError(message)
        field = step
    return field


def _step(field: Field, name: str) -> Field | None:
    match field.kind:
        case "row":
            found = field.fields.get(name)
            return None if found is None else found[1]
        case "map":
            return field.item
        case "list":
            assert field.item is not None
            return _step(field.item, name)
        case _:
            return None
