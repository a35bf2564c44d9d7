"""JSON request bodies read as Go reads them, into catalog rows.

Keys match without regard to case at every level, an unknown key is a fault, ``null`` means the
default, a ``Duration`` field takes a Go duration (``"10s"``) or a count of nanoseconds, bytes are
base64, and what follows the first JSON value is ignored. Invalid UTF-8 and lone surrogates become
U+FFFD. Source: Go's encoding/json (https://pkg.go.dev/encoding/json#Unmarshal).

Limits: nesting is bounded by the JSON parsers; the size of a body is bounded by the server.
"""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from agent.http.call import HttpError
from catalog.duration import parse_duration
from catalog.rows.service import ServiceConnect
from catalog.schema import Row
from catalog.shape import marks

R = TypeVar("R", bound=Row)

_LENIENT: Final = (ServiceConnect,)  # Consul reads it, alone of all, without refusing unknown keys
PREFIX: Final = "Request decode failed: "
_NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})
_INTEGER_MIN: Final = -(2**63)  # Go's int
_INTEGER_MAX: Final = 2**64 - 1  # Go's uint64, the widest that any body holds


class DecodeFault(ValueError):
    """A body or value that cannot be read; the text follows Go's wording."""


def decode_body(
    body: bytes,
    row_type: type[R],
    *,
    aliases: Mapping[str, str] = _NO_ALIASES,
    prefix: str = PREFIX,
    strict: bool = True,
) -> R:
    """The row that a JSON object of a request holds.

    ``aliases`` maps further accepted keys in lower case to API names (``"service_id"`` to
    ``"ServiceID"``), at every level. Raises HttpError 400 with ``prefix`` and the fault.
    """
    try:
        return decode_value(parse_json(body), row_type, aliases=aliases, strict=strict)
    except DecodeFault as fault:
        raise HttpError(400, f"{prefix}{fault}") from None


def decode_rows(
    body: bytes,
    row_type: type[R],
    *,
    aliases: Mapping[str, str] = _NO_ALIASES,
    prefix: str = PREFIX,
    strict: bool = True,
) -> tuple[R, ...]:
    """The rows that a JSON array of a request holds; ``null`` is an empty array."""
    try:
        value = parse_json(body)
        if value is None:
            return ()
        items = _items(value, row_type.__name__)
        return tuple(decode_value(item, row_type, aliases=aliases, strict=strict) for item in items)
    except DecodeFault as fault:
        raise HttpError(400, f"{prefix}{fault}") from None


def decode_value(
    value: Any,
    row_type: type[R],
    *,
    aliases: Mapping[str, str] = _NO_ALIASES,
    strict: bool = True,
) -> R:
    """The row that a parsed JSON value holds. Raises DecodeFault."""
    row: R = _Decoder(aliases, strict=strict).row(value, row_type, row_type.__name__)
    return row


def parse_json(body: bytes) -> Any:
    """The first JSON value of a body. Raises DecodeFault with Go's wording."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _parse_leniently(body)


def _parse_leniently(body: bytes) -> Any:
    """What Go accepts and msgspec does not: trailing bytes, invalid UTF-8, lone surrogates."""
    text = body.decode(errors="replace")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise DecodeFault("EOF")
    try:
        value, _ = _json.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise DecodeFault(_syntax_fault(error)) from None
    except RecursionError:
        raise DecodeFault("exceeded max depth") from None
    return _without_surrogates(value)


def _no_constant(name: str) -> Any:
    message = f"invalid character '{name[0]}' looking for beginning of value"
    raise DecodeFault(message)


_json: Final = json.JSONDecoder(parse_constant=_no_constant)


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {
                _without_surrogates(key): _without_surrogates(item) for key, item in value.items()
            }
        case _:
            return value


_SYNTAX: Final = (
    # what the standard library says, what Go says
    ("Expecting property name", "looking for beginning of object key string"),
    ("Illegal trailing comma before end of object", "looking for beginning of object key string"),
    ("Expecting value", "looking for beginning of value"),
    ("Illegal trailing comma before end of array", "looking for beginning of value"),
    ("Expecting ':'", "after object key"),
    ("Expecting ','", "after object key:value pair"),
    ("Invalid control character", "in string literal"),
    ("Invalid \\", "in string escape code"),
)


def _syntax_fault(error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected EOF"
    where = next((go for ours, go in _SYNTAX if error.msg.startswith(ours)), "in the body")
    return f"invalid character {error.doc[error.pos]!r} {where}"


class _Field:
    """How one field of a row is read."""

    __slots__ = ("attribute", "name", "required", "type")

    def __init__(self, field: msgspec.structs.FieldInfo, hint: Any) -> None:
        self.attribute = field.name
        self.name = field.encode_name
        self.required = (
            field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
        )
        self.type = hint


@cache
def _fields(row_type: type[Row]) -> Mapping[str, _Field]:
    """The fields of a row by their API name in lower case."""
    hints = get_type_hints(row_type, include_extras=True)
    return {
        field.encode_name.lower(): _Field(field, hints[field.name])
        for field in msgspec.structs.fields(row_type)
    }


class _Decoder:
    """Reads values by their declared types; ``where`` names the field in faults."""

    __slots__ = ("_aliases", "_strict")

    def __init__(self, aliases: Mapping[str, str], *, strict: bool) -> None:
        self._aliases = aliases
        self._strict = strict

    def row(self, value: Any, row_type: type[Row], where: str) -> Any:
        """A row of ``row_type``; ``null`` is its default."""
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise _mismatch(value, where, row_type.__name__)
        strict = self._strict and not issubclass(row_type, _LENIENT)
        fields = _fields(row_type)
        arguments: dict[str, Any] = {}
        for key, item in value.items():
            field = fields.get(key.lower()) or fields.get(
                self._aliases.get(key.lower(), "").lower()
            )
            if field is None:
                if strict:
                    message = f'json: unknown field "{key}"'
                    raise DecodeFault(message)
            elif item is not None:
                arguments[field.attribute] = self.value(item, field.type, f"{where}.{field.name}")
        for field in fields.values():
            if field.required and field.attribute not in arguments:
                arguments[field.attribute] = self._zero(field.type)
        return row_type(**arguments)

    def value(self, value: Any, hint: Any, where: str) -> Any:
        """A value of any type that rows declare."""
        if get_origin(hint) is Annotated:
            if "duration" in marks(hint):
                return _duration(value, where)
            hint = get_args(hint)[0]
            return self.value(value, hint, where)
        if get_origin(hint) in {Union, UnionType}:
            if value is None:
                return None
            hint = next(part for part in get_args(hint) if part is not NoneType)
            return self.value(value, hint, where)
        if hint in _SCALARS:
            return _SCALARS[hint](value, where)
        if get_origin(hint) is tuple:
            inner = get_args(hint)[0]
            return tuple(self._item(item, inner, where) for item in _items(value, where))
        if get_origin(hint) is dict:
            inner = get_args(hint)[1]
            if not isinstance(value, dict):
                raise _mismatch(value, where, "map")
            return {key: self._item(item, inner, where) for key, item in value.items()}
        if isinstance(hint, type) and issubclass(hint, Row):
            return self.row(value, hint, where)
        return value

    def _item(self, value: Any, hint: Any, where: str) -> Any:
        if value is None:
            return self._zero(hint)
        return self.value(value, hint, where)

    def _zero(self, hint: Any) -> Any:
        """Go's zero value of a type."""
        if get_origin(hint) is Annotated:
            return self._zero(get_args(hint)[0])
        if isinstance(hint, type) and issubclass(hint, Row):
            return self.row({}, hint, hint.__name__)
        if hint in _SCALARS:
            return hint()
        return () if get_origin(hint) is tuple else {} if get_origin(hint) is dict else None


def _mismatch(value: Any, where: str, go_type: str) -> DecodeFault:
    match value:
        case bool():
            got = "bool"
        case int() | float():
            got = "number" if go_type in {"string", "bool"} else f"number {value}"
        case str():
            got = "string"
        case list():
            got = "array"
        case dict():
            got = "object"
        case _:
            got = "null"
    return DecodeFault(
        f"json: cannot unmarshal {got} into Go struct field {where} of type {go_type}"
    )


def _items(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _mismatch(value, where, "slice")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, where, "string")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, where, "bool")
    return value


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch(value, where, "int")
    if not _INTEGER_MIN <= value <= _INTEGER_MAX:
        raise _mismatch(value, where, "int")
    return value


def _real(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, where, "float64")
    return float(value)


def _base64(value: Any, where: str) -> bytes:
    try:
        return b64decode(_text(value, where), validate=True)
    except Base64Error:
        message = f"illegal base64 data in {where}"
        raise DecodeFault(message) from None


def _duration(value: Any, where: str) -> int:
    match value:
        case str():
            # Go reads no duration from an empty text; Consul takes it for none.
            try:
                return parse_duration(value) if value else 0
            except ValueError as error:
                raise DecodeFault(str(error)) from None
        case bool():
            raise _mismatch(value, where, "time.Duration")
        case int() | float() if abs(value) <= _INTEGER_MAX // 2:
            return int(value)
        case _:
            raise _mismatch(value, where, "time.Duration")


_SCALARS: Final[Mapping[Any, Callable[[Any, str], Any]]] = {
    str: _text,
    bool: _flag,
    int: _integer,
    float: _real,
    bytes: _base64,
}
