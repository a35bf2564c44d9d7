"""Command-line flags with Go's rules, which every Consul user's scripts rely on.

One or two dashes mean the same; a value follows ``=`` or is the next argument; a switch takes
a value only with ``=``; the first argument that is no flag, or ``--``, ends the flags.
Source: https://pkg.go.dev/flag, section "Command line flag syntax".
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final, assert_never

import msgspec

from agent.cli.failure import Failure
from catalog.duration import SECOND, parse_duration

_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_COUNT_MAX: Final = 2**64 - 1  # indexes and KV flags are unsigned 64-bit numbers

Value = bool | int | str | tuple[str, ...]


class Kind(Enum):
    """What a flag's value is, with the word that help shows for it."""

    SWITCH = ""
    TEXT = "string"
    TEXTS = "string, repeatable"
    COUNT = "number"
    DURATION = "duration"


class Flag(msgspec.Struct, frozen=True):
    """One declared flag; ``default`` is written as the user would write it."""

    name: str
    doc: str
    kind: Kind = Kind.TEXT
    default: str = ""


class HelpRequested(Exception):
    """The arguments hold -h, -help or --help."""


class Parsed(msgspec.Struct, frozen=True):
    """A command line taken apart: every declared flag's value, and what follows the flags."""

    values: dict[str, Value]
    given: frozenset[str]
    arguments: tuple[str, ...]


def parse(flags: Sequence[Flag], argv: Sequence[str]) -> Parsed:
    """Take ``argv`` apart. Raises Failure with Go's wording, or HelpRequested."""
    known = {flag.name: flag for flag in flags}
    values = {flag.name: _default(flag) for flag in flags}
    given: set[str] = set()
    rest = list(argv)
    while rest and len(rest[0]) > 1 and rest[0].startswith("-"):
        argument = rest.pop(0)
        if argument == "--":
            break
        name, equals, text = _split(argument)
        flag = known.get(name)
        if flag is None:
            if name in {"h", "help"}:
                raise HelpRequested
            message = f"flag provided but not defined: -{name}"
            raise Failure(message)
        if not equals:
            text = _implied_value(flag, rest)
        value = _convert(flag, text)
        before = values[name]
        # A repeated list flag adds to what came before; any other flag keeps its last value.
        values[name] = (
            before + value if isinstance(before, tuple) and isinstance(value, tuple) else value
        )
        given.add(name)
    return Parsed(values, frozenset(given), tuple(rest))


def _split(argument: str) -> tuple[str, str, str]:
    body = argument[2:] if argument.startswith("--") else argument[1:]
    if not body or body[0] in "-=":
        message = f"bad flag syntax: {argument}"
        raise Failure(message)
    return body.partition("=")


def _implied_value(flag: Flag, rest: list[str]) -> str:
    if flag.kind is Kind.SWITCH:
        return "true"
    if not rest:
        message = f"flag needs an argument: -{flag.name}"
        raise Failure(message)
    return rest.pop(0)


def _default(flag: Flag) -> Value:
    match flag.kind:
        case Kind.SWITCH:
            return _convert(flag, flag.default or "false")
        case Kind.TEXT:
            return flag.default
        case Kind.TEXTS:
            return (flag.default,) if flag.default else ()
        case Kind.COUNT | Kind.DURATION:
            return _convert(flag, flag.default or "0")
        case _:
            assert_never(flag.kind)


def _convert(flag: Flag, text: str) -> Value:
    match flag.kind:
        case Kind.SWITCH:
            if text not in _TRUE | _FALSE:
                message = f'invalid boolean value "{text}" for -{flag.name}: parse error'
                raise Failure(message)
            return text in _TRUE
        case Kind.TEXT:
            return text
        case Kind.TEXTS:
            return (text,)
        case Kind.COUNT:
            return _count(flag, text)
        case Kind.DURATION:
            try:
                return parse_duration(text)
            except ValueError as error:
                message = f'invalid value "{text}" for flag -{flag.name}: {error}'
                raise Failure(message) from error
        case _:
            assert_never(flag.kind)


def _count(flag: Flag, text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= _COUNT_MAX:
        message = (
            f'invalid value "{text}" for flag -{flag.name}: '
            f"must be a whole number from 0 to {_COUNT_MAX}"
        )
        raise Failure(message)
    return number


def seconds(nanoseconds: int) -> float:
    """Seconds of a DURATION flag's value."""
    return nanoseconds / SECOND
