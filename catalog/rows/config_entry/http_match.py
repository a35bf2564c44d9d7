"""How a request is matched, for routes and for permissions of intentions."""

from collections.abc import Iterable
from typing import Final

from catalog.errors import Invalid
from catalog.patterns import PatternError, compile_pattern
from catalog.rows.config_entry.entry import quoted
from catalog.schema import Omit, Row

METHODS: Final = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE",
)  # fmt: skip


class HeaderMatch(Row, frozen=True, kw_only=True):
    """A condition on a header; exactly one of the ways of comparing is set.

    ``contains`` and ``ignore_case`` came with 1.19 for permissions of intentions.
    """

    name: str = ""
    present: Omit[bool] = False
    exact: Omit[str] = ""
    prefix: Omit[str] = ""
    suffix: Omit[str] = ""
    contains: Omit[str] = ""
    regex: Omit[str] = ""
    invert: Omit[bool] = False
    ignore_case: Omit[bool] = False


class QueryParamMatch(Row, frozen=True, kw_only=True):
    """A condition on a parameter of the query."""

    name: str = ""
    present: Omit[bool] = False
    exact: Omit[str] = ""
    regex: Omit[str] = ""


def validate_paths(prefix: str, exact: str, path_prefix: str, regex: str, *, end: str) -> None:
    """Raise Invalid unless paths start with a slash and only one kind of them is used.

    ``prefix`` starts the text, ``end`` ends it (the texts of routes have no full stop).
    """
    for name, path in (("PathExact", exact), ("PathPrefix", path_prefix)):
        if path and not path.startswith("/"):
            message = f"{prefix}{name} doesn't start with '/': {quoted(path)}"
            raise Invalid(message)
    if sum(map(bool, (exact, path_prefix, regex))) > 1:
        message = (
            f"{prefix[:-1]} should only contain at most one of PathExact, PathPrefix, "
            f"or PathRegex{end}"
        )
        raise Invalid(message)
    validate_regex(f"{prefix}PathRegex", regex)


def validate_regex(field: str, pattern: str) -> None:
    """Raise Invalid for a pattern that RE2 does not take: no proxy could match by it."""
    if not pattern:
        return
    try:
        compile_pattern(pattern)
    except PatternError as fault:
        message = f"{field} is not a valid regular expression: {fault}"
        raise Invalid(message) from None


def validate_headers(
    prefix: str, headers: Iterable[HeaderMatch], *, end: str, containing: bool = False
) -> None:
    """Raise Invalid unless each condition names a header and one way of comparing.

    ``containing`` allows Contains and IgnoreCase, which only permissions have.
    """
    listed = "Suffix, Contains, or Regex" if containing else "Suffix, or Regex"
    for number, header in enumerate(headers):
        place = f"{prefix}Header[{number}]"
        if not header.name:
            message = f"{place} missing required Name field"
            raise Invalid(message)
        if not containing and (header.contains or header.ignore_case):
            message = f"{place} must not contain Contains or IgnoreCase: only permissions have them"
            raise Invalid(message)
        ways = (
            header.present,
            header.exact,
            header.prefix,
            header.suffix,
            header.contains,
            header.regex,
        )
        if sum(map(bool, ways)) != 1:
            message = f"{place} should only contain one of Present, Exact, Prefix, {listed}{end}"
            raise Invalid(message)
        if header.ignore_case and (header.present or header.regex):
            message = f"{place} should set one of Exact, Prefix, Suffix, or Contains when using "
            raise Invalid(f"{message}IgnoreCase{end}")
        validate_regex(f"{place}.Regex", header.regex)


def validate_methods(prefix: str, methods: Iterable[str]) -> None:
    """Raise Invalid for a method that is unknown or named twice."""
    seen: set[str] = set()
    for method in methods:
        if method not in METHODS:
            message = f"{prefix}Methods contains an invalid method {quoted(method)}"
            raise Invalid(message)
        if method in seen:
            message = f"{prefix}Methods contains {quoted(method)} more than once"
            raise Invalid(message)
        seen.add(method)


def upper(methods: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Methods in the case that HTTP uses."""
    return methods and tuple(method.upper() for method in methods)
