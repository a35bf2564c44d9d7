"""Read a config entry from the JSON of a request.

Lenient as Consul is: names in CamelCase or snake_case and in any case, numbers and booleans where
text is wanted and the reverse, one value where a list is wanted. Unknown names are refused.
"""

from collections.abc import Callable, Mapping
from functools import cache
from math import isfinite
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from catalog.duration import parse_duration
from catalog.errors import BadRequest
from catalog.rows.config_entry.entry import Entry, errors_text, go_numbers, quoted
from catalog.rows.config_entry.service_intentions import LEGACY_FIELDS, SourceIntention
from catalog.schema import Row, plain_type
from catalog.shape import marks

NESTING_MAX: Final = 64
"""Deepest nesting of a body: what is stored is walked by functions that call themselves."""

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"", "0", "f", "F", "FALSE", "false", "False"})
_INT64_MAX: Final = 2**63 - 1
_JSON_TYPES: Final[dict[type, str]] = {
    str: "string",
    bool: "bool",
    int: "float64",
    float: "float64",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}


def decode_kind(body: object) -> str:
    """The kind that a body names. Raises BadRequest if it names none."""
    if not isinstance(body, Mapping):
        raise BadRequest("Config entry must be a JSON object")
    kind = body.get("Kind", body.get("kind"))
    if kind is None:
        message = "Payload does not contain a kind/Kind key at the top level"
        raise BadRequest(message)
    if not isinstance(kind, str):
        raise BadRequest("Kind value in payload is not a string")
    return kind


def decode_fields(body: Mapping[str, Any], row: type[Entry]) -> Entry:
    """The entry of a body whose kind is known.

    Raises BadRequest that lists every unknown name or the values of a wrong type.
    """
    _refuse_deep(body)
    decoding = _Decoding()
    fields = {key: value for key, value in body.items() if not _is_passed_over(key, value)}
    entry = decoding.row(row, fields, "")
    if decoding.faults:
        listed = "\n* ".join(decoding.faults)
        message = f"{len(decoding.faults)} error(s) decoding:\n\n* {listed}"
        raise BadRequest(message)
    if decoding.unknown:
        raise BadRequest(errors_text([_unknown_text(key) for key in sorted(decoding.unknown)]))
    assert isinstance(entry, Entry)
    # Only the log index of the write counts.
    return msgspec.structs.replace(entry, create_index=0, modify_index=0)


def _is_passed_over(key: str, value: Any) -> bool:
    """The kind is known, the hash is Consul's, and the default of what is not there is nothing."""
    if key in {"Kind", "kind", "Hash"}:
        return True
    return key.lower() in {"namespace", "partition"} and value in ("", "default", None)


def _unknown_text(key: str) -> str:
    for what in ("namespace", "partition"):
        if key.lower().endswith(what):
            return f"invalid config key {quoted(key)}, {what}s are a consul enterprise feature"
    return f"invalid config key {quoted(key)}"


def _refuse_deep(body: Mapping[str, Any]) -> None:
    level: list[Any] = [body]
    for _ in range(NESTING_MAX):
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, Mapping) else value)
            if isinstance(item, Mapping | list)
        ]
        if not level:
            return
    message = f"Config entry is nested deeper than {NESTING_MAX} levels"
    raise BadRequest(message)


@cache
def _names(row: type[Row]) -> dict[str, tuple[str, Any]]:
    """Every accepted name in lower case, with its attribute and its annotation."""
    hints = get_type_hints(row, include_extras=True)
    names: dict[str, tuple[str, Any]] = {}
    for field in msgspec.structs.fields(row):
        for name in (field.encode_name.lower(), field.name):
            names[name] = (field.name, hints[field.name])
    return names


class _Decoding:
    """One reading of a body, with the faults that were found."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.faults: list[str] = []

    def row(self, row: type[Row], value: Any, path: str) -> Row:
        # HCL that was turned into JSON has a list of one block where a block is meant.
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, Mapping):
            self.wrong(path, "a map", value)
            return row()
        names = _names(row)
        found: dict[str, Any] = {}
        for key, item in value.items():
            step = f"{path}.{key}" if path else key
            known = names.get(key.lower())
            if known is None:
                self.unknown.append(step)
            elif item is not None and not (row is SourceIntention and known[0] in LEGACY_FIELDS):
                found[known[0]] = self.value(known[1], item, step)
        return row(**found)

    def value(self, hint: Any, value: Any, path: str) -> Any:
        if marks(hint) & {"duration", "nanoseconds"}:
            return self.duration(value, path)
        plain = plain_type(hint)
        reader = self.readers().get(plain)
        if reader is not None:
            return reader(value, path)
        if plain is Any:
            return go_numbers(value)
        if get_origin(plain) is tuple:
            item_hint = get_args(plain)[0]
            items = value if isinstance(value, list) else [value] if value not in ("", {}) else []
            return tuple(
                self.value(item_hint, item, f"{path}[{number}]")
                for number, item in enumerate(items)
            )
        if get_origin(plain) is dict:
            return self.mapping(get_args(plain)[1], value, path)
        assert issubclass(plain, Row)
        return self.row(plain, value, path)

    def mapping(self, hint: Any, value: Any, path: str) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, Mapping):
                self.wrong(path, "a map", value)
                return {}
            merged.update(part)
        return {key: self.value(hint, item, f"{path}[{key}]") for key, item in merged.items()}

    def readers(self) -> dict[Any, Callable[[Any, str], Any]]:
        return {str: self.text, int: self.integer, float: self.number, bool: self.truth}

    def text(self, value: Any, path: str) -> str:
        match value:
            case str():
                return value
            case bool():
                return "1" if value else "0"
            case int() | float():
                return str(go_numbers(value))
            case _:
                self.wrong(path, "type 'string'", value)
                return ""

    def integer(self, value: Any, path: str) -> int:
        match value:
            case bool() | int() | float():
                return self.bounded(value, path)
            case str():
                try:
                    return self.bounded(int(value or "0", 0), path)
                except ValueError:
                    self.faults.append(
                        f"cannot parse '{path}' as int: "
                        f"strconv.ParseInt: parsing {quoted(value)}: invalid syntax"
                    )
            case _:
                self.wrong(path, "type 'int'", value)
        return 0

    def bounded(self, value: float, path: str) -> int:
        """The integer of a JSON number, if 64 bits hold it."""
        if not abs(value) <= _INT64_MAX:
            self.faults.append(f"cannot parse '{path}' as int: value out of range")
            return 0
        return int(value)

    def number(self, value: Any, path: str) -> float:
        match value:
            case bool() | int() | float():
                return float(go_numbers(value))
            case str():
                number = _finite(value)
                if number is not None:
                    return number
                self.faults.append(
                    f"cannot parse '{path}' as float: "
                    f"strconv.ParseFloat: parsing {quoted(value)}: invalid syntax"
                )
            case _:
                self.wrong(path, "type 'float32'", value)
        return 0.0

    def truth(self, value: Any, path: str) -> bool:
        match value:
            case bool() | int() | float():
                return bool(value)
            case str() if value in _TRUE:
                return True
            case str() if value in _FALSE:
                return False
            case str():
                self.faults.append(
                    f"cannot parse '{path}' as bool: "
                    f"strconv.ParseBool: parsing {quoted(value)}: invalid syntax"
                )
            case _:
                self.wrong(path, "type 'bool'", value)
        return False

    def duration(self, value: Any, path: str) -> int:
        match value:
            case bool():
                self.wrong(path, "type 'time.Duration'", value)
            case int() | float():
                return self.bounded(value, path)
            case str():
                try:
                    return parse_duration(value)
                except ValueError as fault:
                    self.faults.append(f"error decoding '{path}': {fault}")
            case _:
                self.wrong(path, "type 'time.Duration'", value)
        return 0

    def wrong(self, path: str, wanted: str, value: Any) -> None:
        got = _JSON_TYPES.get(type(value), "nil")
        self.faults.append(f"'{path}' expected {wanted}, got '{got}'")


def _finite(text: str) -> float | None:
    """The number of a text; None if it is none, or no finite one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None
