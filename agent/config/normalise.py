"""One source's tree checked against the schema: keys, kinds, durations and single values.

Done before merging, so that every complaint names the file and line of the wrong value. The result
holds plain values only: durations in nanoseconds, sections as blocks, lists as tuples.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from agent.config.aliases import resolve_aliases
from agent.config.definitions import check_definition
from agent.config.root import Root
from agent.config.schema import Field, Kind, Section, fields_of
from agent.config.tree import Block, ConfigError, Origin
from catalog.duration import parse_duration

_INT_MAX: Final = 2**63 - 1
"""Whole numbers are signed 64-bit ones: what Go's int holds and every later stage can store."""


def normalise(block: Block) -> tuple[Block, list[str]]:
    """The tree in the schema's form, and warnings; raises ConfigError for the first fault."""
    resolved, warnings = resolve_aliases(block)
    return _section(resolved, Root, "", None), warnings


def _section(value: Any, kind: type[Section], path: str, origin: Origin | None) -> Block:
    result = Block()
    fields = fields_of(kind)
    for block in _parts(value, path, origin):
        for key, inner in block.items():
            place = block.origins.get(key, origin)
            field = fields.get(key) or fields.get(key.lower())
            if field is None:
                message = f"invalid config key {_join(path, key)}"
                raise ConfigError(message, origin=place)
            if inner is None:
                continue
            if field.name in result:
                message = f"duplicate key {_join(path, key)}"
                raise ConfigError(message, origin=place)
            whole = _join(path, field.name)
            result.put(field.name, _field(inner, field, whole, place), place)
    return result


def _parts(value: Any, path: str, origin: Origin | None) -> list[Block]:
    """The blocks that make up one section: one, or a repeated one."""
    parts = value if isinstance(value, list) and value else [value]
    if not all(isinstance(part, Block) for part in parts):
        raise _wrong("an object", value, path, origin)
    return list(parts)


def _field(value: Any, field: Field, path: str, origin: Origin | None) -> Any:
    result: Any
    match field.kind:
        case Kind.SECTION:
            assert field.nested is not None, "a section field names its section"
            return _section(value, field.nested, path, origin)
        case Kind.SECTIONS:
            assert field.nested is not None, "a section field names its section"
            nested = field.nested
            return tuple(
                _section(item, nested, f"{path}[{index}]", origin)
                for index, item in enumerate(_objects(value, path, origin))
            )
        case Kind.OBJECTS:
            result = tuple(_plain(item) for item in _objects(value, path, origin))
            for index, item in enumerate(result):
                check_definition(item, f"{path}[{index}]", origin)
        case _:
            result = _READERS[field.kind](value, path, origin)
    if field.option.check is not None and (complaint := field.option.check(result)):
        shown = "" if field.option.secret or isinstance(value, dict) else f", not {_show(value)}"
        shown = shown if complaint.startswith("must be") else ""
        raise ConfigError(complaint + shown, path=path, origin=origin)
    return result


def _bool(value: Any, path: str, origin: Origin | None) -> bool:
    if not isinstance(value, bool):
        raise _wrong("true or false", value, path, origin)
    return value


def _int(value: Any, path: str, origin: Origin | None) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _INT_MAX:
        raise _wrong("a whole number", value, path, origin)
    return value


def _float(value: Any, path: str, origin: Origin | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("a number", value, path, origin)
    if (isinstance(value, int) and abs(value) > _INT_MAX) or not math.isfinite(value):
        raise _wrong("a finite number", value, path, origin)
    return float(value)


def _text(value: Any, path: str, origin: Origin | None) -> str:
    if not isinstance(value, str):
        raise _wrong("a string", value, path, origin)
    return value


def _duration(value: Any, path: str, origin: Origin | None) -> int:
    if not isinstance(value, str):
        raise _wrong('a duration in quotes, as "10s"', value, path, origin)
    try:
        return parse_duration(value)
    except (ValueError, ArithmeticError) as error:
        message = f"must be a duration such as 10s or 1h5m: {error}"
        raise ConfigError(message, path=path, origin=origin) from error


def _texts(value: Any, path: str, origin: Origin | None) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong("a list of strings", value, path, origin)
    return tuple(value)


def _map(read: Callable[[Any, str, Origin | None], Any]) -> Callable[..., dict[str, Any]]:
    def read_map(value: Any, path: str, origin: Origin | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for block in _parts(value, path, origin):
            for key, item in block.items():
                found[key] = read(item, _join(path, key), block.origins.get(key, origin))
        return found

    return read_map


def _object(value: Any, path: str, origin: Origin | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for block in _parts(value, path, origin):
        found.update(_plain(block))
    return found


def _objects(value: Any, path: str, origin: Origin | None) -> list[Block]:
    if value == []:
        return []
    return _parts(value, path, origin)


_READERS: Final[dict[Kind, Callable[[Any, str, Origin | None], Any]]] = {
    Kind.BOOL: _bool,
    Kind.INT: _int,
    Kind.FLOAT: _float,
    Kind.TEXT: _text,
    Kind.DURATION: _duration,
    Kind.TEXTS: _texts,
    Kind.TEXT_MAP: _map(_text),
    Kind.DURATION_MAP: _map(_duration),
    Kind.OBJECT: _object,
}


def _plain(value: Any) -> Any:
    """Blocks as plain dicts, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _wrong(expected: str, value: Any, path: str, origin: Origin | None) -> ConfigError:
    return ConfigError(f"must be {expected}, not {_show(value)}", path=path, origin=origin)


def _show(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case int() | float():
            return repr(value)
        case dict():
            return "an object"
        case _:
            return "a list"
