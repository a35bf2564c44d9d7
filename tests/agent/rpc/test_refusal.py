"""Errors over the wire."""

import pytest

from agent.answers import told
from agent.connect.limits import RateLimited
from agent.rpc import wire
from agent.rpc.refusal import from_frame, to_frame
from agent.rpc.request import NoLeader, NoPathToDatacenter, RpcError
from catalog import errors
from catalog.chain.errors import GraphError
from catalog.filters import FilterError
from catalog.transactions import TxnError, TxnRefused
from raft.errors import Overloaded, Stopped
from raft.errors import TooLarge as EntryTooLarge

PREFIX = "rpc error making call: "


def crossed(error: Exception) -> Exception:
    """The error that the other end raises."""
    frame = to_frame(1, error)
    assert frame is not None
    (read,) = wire.FrameReader().feed(wire.encode(frame))
    assert isinstance(read, wire.Error)
    return from_frame(read)


@pytest.mark.parametrize(
    "error",
    [
        NoLeader(),
        NoPathToDatacenter(),
        RpcError("odd"),
        errors.CatalogError("odd"),
        errors.Invalid("odd"),
        errors.NotFound("odd"),
        errors.Conflict("odd"),
        errors.PermissionDenied("Permission denied"),
        errors.TooLarge("odd"),
        RateLimited(),
        Overloaded("odd"),
    ],
)
def test_an_error_is_raised_as_the_same_class_with_the_prefix(error: Exception):
    again = crossed(error)

    assert type(error) is type(again)
    assert PREFIX + str(error) == str(again)


def test_a_bad_request_keeps_its_text():
    assert str(crossed(errors.BadRequest("Must provide key"))) == "Must provide key"


def test_a_class_that_is_not_listed_becomes_its_nearest_base():
    assert type(crossed(GraphError("odd"))) is errors.Invalid
    assert type(crossed(Stopped("odd"))).__name__ == "RaftError"


def test_an_entry_that_is_too_large_keeps_its_status():
    again = crossed(EntryTooLarge(9, 8))

    assert told(again) == (413, f"{PREFIX}command of 9 bytes exceeds the limit of 8")


def test_a_refused_transaction_keeps_its_errors():
    again = crossed(TxnRefused((TxnError(op_index=2, what="stale"),)))

    assert isinstance(again, TxnRefused)
    assert again.errors == (TxnError(op_index=2, what="stale"),)


def test_a_bad_filter_is_told_with_the_relays_prefix_first():
    again = crossed(FilterError("odd"))

    assert told(again) == (
        500,
        f"{PREFIX}Failed to create boolean expression evaluator: odd",
    )


def test_a_bug_is_no_refusal():
    assert to_frame(1, ZeroDivisionError("secret")) is None


def test_an_unknown_class_becomes_an_rpc_error():
    again = from_frame(wire.Error(1, "FromTheFuture", "odd"))

    assert (type(again), str(again)) == (RpcError, f"{PREFIX}odd")
