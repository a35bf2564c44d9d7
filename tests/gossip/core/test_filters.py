import time

import pytest

from gossip.core.filters import passes
from gossip.core.types import NodeFilter, TagFilter, UnknownFilter

TAGS = {"role": "web-frontend"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], True),
        ([NodeFilter(("b", "a"))], True),
        ([NodeFilter(("b",))], False),
        ([TagFilter("role", "front")], True),
        ([TagFilter("role", "^front")], False),
        ([TagFilter("role", "^web-(front|back)end$")], True),
        ([TagFilter("missing", "^$")], True),
        ([TagFilter("missing", "x")], False),
        ([TagFilter("role", "web"), NodeFilter(("b",))], False),
        ([UnknownFilter(b"\x07x")], False),
        ([TagFilter("role", "(")], False),
        ([TagFilter("role", r"(w)\1")], False),
    ],
)
def test_every_filter_must_pass(filters, expected):
    """Serf: an expression is searched in the tag's value, an absent tag is empty."""
    assert expected == passes(filters, "a", TAGS)


def test_hostile_expression_takes_no_time():
    started = time.monotonic()
    passes([TagFilter("role", "(a*)*b")], "a", {"role": "a" * 400})

    assert time.monotonic() - started < 1.0
