"""What a client is told of an error."""

import pytest

from agent.answers import told
from agent.http.call import HttpError
from agent.rpc.remote_router import RateExceeded
from agent.rpc.request import NoLeader, NoPathToDatacenter
from catalog.errors import (
    BadRequest,
    CatalogError,
    Conflict,
    Invalid,
    NotFound,
    PermissionDenied,
    TooLarge,
)
from catalog.filters import FilterError
from raft import errors as raft


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (HttpError(418, "tea"), (418, "tea")),
        (BadRequest("bad"), (400, "bad")),
        (RateExceeded(), (429, "")),
        (Invalid("wrong"), (500, "wrong")),
        (NotFound("none"), (404, "none")),
        (Conflict("stale"), (500, "stale")),
        (PermissionDenied("Permission denied"), (403, "Permission denied")),
        (TooLarge("large"), (413, "large")),
        (CatalogError("any"), (500, "any")),
        (NoLeader(), (500, "No cluster leader")),
        (NoPathToDatacenter(), (500, "No path to datacenter")),
        (raft.Overloaded("full"), (429, "full")),
        (raft.Stopped("stopped"), (500, "stopped")),
    ],
)
def test_each_error_has_its_status_and_its_own_text(error, expected):
    assert told(error) == expected


def test_an_entry_that_is_too_large_is_413():
    assert told(raft.TooLarge(9, 8)).status == 413


def test_a_bad_filter_says_so():
    assert told(FilterError("x")) == (500, "Failed to create boolean expression evaluator: x")


@pytest.mark.parametrize("error", [ValueError("a"), KeyError("b"), ZeroDivisionError()])
def test_our_own_bugs_are_not_told(error):
    assert told(error) is None
