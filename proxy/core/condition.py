"""Conditions on text and on headers, made ready once for many requests.

Rules are UTF-8, compared as bytes. Regular expressions are RE2's and must match the whole text.
Source: Consul, service-router and service-intentions; Envoy, HeaderMatcher.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import re2

from proxy.api import HeaderMatch
from proxy.core.request import RequestFacts

PATTERNS_MAX: Final = 256
"""Compiled regular expressions that are kept: those of a large router; each takes some 10 KB."""

Test = Callable[[bytes], bool]
HeaderTest = Callable[[RequestFacts], bool]


@lru_cache(PATTERNS_MAX)
def pattern(text: str, *, ignore_case: bool = False) -> Test | None:
    """Whether a whole text matches an RE2 expression; None if it is none.

    A dot takes whatever there is, also a line end that was escaped and a byte that is no UTF-8:
    neither gets around what is denied below a path.
    """
    options = re2.Options()
    options.never_capture = True
    options.dot_nl = True
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(text.encode(), options)
    except re2.error:
        return None
    return lambda value: compiled.fullmatch(_readable(value)) is not None


def header_test(match: HeaderMatch, *, when_unclear: bool = False) -> HeaderTest:
    """Whether a request meets a condition on a header.

    ``when_unclear`` is the answer if the expression is none, and what an inverted comparison says
    of a header that is not there: Envoy says no. (``present`` compares nothing: inverted, it asks
    for the absence.) A header that came twice is compared as one list, and where the unclear counts
    as well, each value of it too: applications take the first, or the last.
    """
    name = match.name.lower().encode()
    inverted = match.invert
    if match.regex:
        compare = pattern(match.regex, ignore_case=match.ignore_case)
        if compare is None:
            return lambda _facts: when_unclear
    else:
        compare = _comparison(match)
        if compare is None:
            return lambda facts: (facts.header(name) is None) == inverted
    missing = inverted and when_unclear

    def holds(facts: RequestFacts) -> bool:
        value = facts.header(name)
        if value is None:
            return missing
        if compare(value) != inverted:
            return True
        return when_unclear and any(compare(each) != inverted for each in facts.values(name))

    return holds


def _comparison(match: HeaderMatch) -> Test | None:
    """The comparison with a text; None if only presence is asked for."""
    wanted = (match.exact or match.prefix or match.suffix or match.contains).encode()
    if not wanted:
        return None if match.present else _is_empty
    if not match.ignore_case:
        return _text_test(match, wanted)
    folded = _text_test(match, wanted.lower())
    return lambda value: folded(value.lower())


def _text_test(match: HeaderMatch, wanted: bytes) -> Test:
    if match.exact:
        return wanted.__eq__
    if match.prefix:
        return lambda value: value.startswith(wanted)
    if match.suffix:
        return lambda value: value.endswith(wanted)
    return lambda value: wanted in value


def _readable(value: bytes) -> bytes:
    """The text with a mark in place of what is no UTF-8."""
    return value if value.isascii() else value.decode(errors="replace").encode()


def _is_empty(value: bytes) -> bool:
    return not value
