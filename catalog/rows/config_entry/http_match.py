"""How a request is matched, for routes and for permissions of intentions."""

from collections.abc import Iterable
from typing import Final

from catalog.errors import Invalid
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


def validate_headers(prefix: str, headers: Iterable[HeaderMatch], *, end: str) -> None:
    """Raise Invalid unless each condition names a header and one way of comparing."""
    for number, header in enumerate(headers):
        if not header.name:
            message = f"{prefix}Header[{number}] missing required Name field"
            raise Invalid(message)
        ways = (header.present, header.exact, header.prefix, header.suffix, header.regex)
        if sum(map(bool, ways)) != 1:
            message = (
                f"{prefix}Header[{number}] should only contain one of Present, Exact, Prefix, "
                f"Suffix, or Regex{end}"
            )
            raise Invalid(message)


def validate_methods(prefix: str, methods: Iterable[str], *, known_only: bool) -> None:
    """Raise Invalid for a method that is named twice, or is unknown where that matters."""
    seen: set[str] = set()
    for method in methods:
        if known_only and method not in METHODS:
            message = f"{prefix}Methods contains an invalid method {quoted(method)}"
            raise Invalid(message)
        if method in seen:
            message = f"{prefix}Methods contains {quoted(method)} more than once"
            raise Invalid(message)
        seen.add(method)


def upper(methods: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Methods in the case that HTTP uses."""
    return methods and tuple(method.upper() for method in methods)
