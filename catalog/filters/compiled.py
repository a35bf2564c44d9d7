"""Compile a filter expression into a function of a row.

Source: Consul's filtering reference. A selector that passes through a list asks whether any element
matches. A key that a map lacks makes ``==``, ``in`` and ``is not empty`` false and every other
operator true.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias, assert_never

from catalog.filters.fields import Field, resolve, row_field
from catalog.filters.parse import parse
from catalog.filters.syntax import And, Expression, FilterError, Match, Not, Operator, Or
from catalog.patterns import PatternError, compile_pattern
from catalog.schema import Row

Test: TypeAlias = Callable[[Any], bool]

COMPILED_COUNT_MAX: Final = 256
"""Compiled expressions that are kept: watchers repeat theirs, each of at most 16 KiB of text."""

_FALSE_WITHOUT_KEY: Final = {Operator.EQUAL, Operator.IN, Operator.IS_NOT_EMPTY}
_OPPOSITES: Final = {
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.NOT_IN: Operator.IN,
    Operator.IS_NOT_EMPTY: Operator.IS_EMPTY,
    Operator.NOT_MATCHES: Operator.MATCHES,
}
_INTEGER: Final = re.compile(
    r"([+-]?)(0[xX]_?|0[oO]_?|0[bB]_?|0_?|)([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)"
)
_FLOAT: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**63 - 1
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
# How Go's parser words what RE2 refuses.
_PATTERN_FAULTS: Final = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "unexpected )": "unexpected )",
    "invalid repetition size": "invalid repeat count",
    "trailing \\": "trailing backslash at end of expression",
}


@lru_cache(maxsize=COMPILED_COUNT_MAX)
def compile_filter(text: str, row_type: type[Row]) -> Test:
    """A function that tells whether a row of ``row_type`` passes; an empty text passes all.

    Raises FilterError, whose text is what the API shows after
    ``Failed to create boolean expression evaluator: ``.
    """
    if not text:
        return _pass
    return _compile(parse(text), row_field(row_type))


def _pass(_row: Any) -> bool:
    return True


def _compile(expression: Expression, root: Field) -> Test:
    match expression:
        case Match():
            return _match(expression, root)
        case Not(operand):
            return _negated(_compile(operand, root))
        case And(operands):
            tests = tuple(_compile(operand, root) for operand in operands)
            return lambda row: all(test(row) for test in tests)
        case Or(operands):
            tests = tuple(_compile(operand, root) for operand in operands)
            return lambda row: any(test(row) for test in tests)
        case _:
            assert_never(expression)


def _match(match: Match, root: Field) -> Test:
    target = resolve(root, match.path)
    if match.operator not in target.operators:
        message = f'Invalid match operator "{match.operator.value}" for selector "{match.selector}"'
        raise FilterError(message)
    positive = _OPPOSITES.get(match.operator, match.operator)
    test = _test(positive, target, match)
    if positive is not match.operator:
        test = _negated(test)
    return _reach(root, match.path, test, when_missing=match.operator not in _FALSE_WITHOUT_KEY)


def _negated(test: Test) -> Test:
    return lambda value: not test(value)


def _reach(field: Field, path: tuple[str, ...], test: Test, *, when_missing: bool) -> Test:
    """The test of what lies at the end of a path, as a test of what lies at its start."""
    if not path:
        return test
    match field.kind:
        case "row":
            attribute, step = field.fields[path[0]]
            rest = _reach(step, path[1:], test, when_missing=when_missing)
            return lambda row: rest(getattr(row, attribute))
        case "map":
            assert field.item is not None
            rest = _reach(field.item, path[1:], test, when_missing=when_missing)
            key = path[0]
            return lambda entries: (
                rest(entries[key]) if entries and key in entries else when_missing
            )
        case "list":
            assert field.item is not None
            each = _reach(field.item, path, test, when_missing=when_missing)
            return lambda items: any(each(item) for item in items or ())
        case _:
            raise AssertionError(field.kind)


def _test(operator: Operator, target: Field, match: Match) -> Test:
    if operator is Operator.IS_EMPTY:
        return lambda value: not value
    assert match.value is not None
    if operator is Operator.MATCHES:
        pattern = _pattern(match.value)
        return lambda value: pattern.search(value or "") is not None
    if operator is Operator.IN and target.kind == "list":
        assert target.item is not None
        sought = _coerce(match.value, target.item, match)
        return lambda values: sought in (values or ())
    wanted = _coerce(match.value, target, match)
    if operator is Operator.IN:
        return lambda value: (
            wanted in (value or ()) if target.kind == "map" else wanted in (value or "")
        )
    return lambda value: bool(value == wanted)


def _coerce(text: str, target: Field, match: Match) -> Any:
    """The value in the field's type. Raises FilterError with the words of Go's parsers."""
    try:
        match target.kind:
            case "int":
                return parse_int(text)
            case "float":
                return _parse_float(text)
            case "bool":
                return _parse_bool(text)
            case _:
                return text
    except ValueError as fault:
        message = f'Failed to coerce value "{text}" for selector "{match.selector}": {fault}'
        raise FilterError(message) from fault


def parse_int(text: str) -> int:
    """A 64-bit integer in Go's notation: decimal, 0x, 0o, 0b, a leading 0 for octal, _ between."""
    found = _INTEGER.fullmatch(text)
    sign, prefix, digits = found.groups() if found else ("", "", "")
    base = {"": 10, "0x": 16, "0o": 8, "0b": 2, "0": 8}[prefix.lower().rstrip("_")]
    try:
        magnitude = int(digits, base)
    except ValueError:
        reason = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise ValueError(reason) from None
    number = -magnitude if sign == "-" else magnitude
    if not _INT_MIN <= number <= _INT_MAX:
        reason = f'strconv.ParseInt: parsing "{text}": value out of range'
        raise ValueError(reason)
    return number


def _parse_float(text: str) -> float:
    if _FLOAT.fullmatch(text) is None:
        reason = f'strconv.ParseFloat: parsing "{text}": invalid syntax'
        raise ValueError(reason)
    return float(text)


def _parse_bool(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
    raise ValueError(reason)


def _pattern(text: str) -> Any:
    try:
        return compile_pattern(text)
    except PatternError as fault:
        cause, _, part = str(fault).partition(": ")
        worded = _PATTERN_FAULTS.get(cause, cause)
        message = (
            f'Failed to compile regular expression "{text}": '
            f"error parsing regexp: {worded}: `{part}`"
        )
        raise FilterError(message) from fault
