"""Errors that cross the wire: the class by name, the text, and what else the class holds.

The other end raises the same class again, so that one table of answers serves both. A class that
is not listed travels as the nearest of its bases that is; our own bugs tell no more than that.
"""

from typing import Final

import msgspec

from agent.connect.limits import RateLimited
from agent.rpc import wire
from agent.rpc.request import NoLeader, NoPathToDatacenter, RpcError
from catalog import errors
from catalog.filters import FilterError
from catalog.transactions import TxnError, TxnRefused
from raft.errors import Overloaded, RaftError
from raft.errors import TooLarge as EntryTooLarge

RELAYED: Final = "rpc error making call: "  # Consul's prefix of what a client agent passes on
INTERNAL_ERROR: Final = "Internal error"
_FILTER_PREFIX: Final = "Failed to create boolean expression evaluator: "

_NAMES: Final[dict[type[Exception], str]] = {
    NoLeader: "NoLeader",
    NoPathToDatacenter: "NoPathToDatacenter",
    RpcError: "RpcError",
    TxnRefused: "TxnRefused",
    errors.BadRequest: "BadRequest",
    errors.Invalid: "Invalid",
    errors.NotFound: "NotFound",
    errors.Conflict: "Conflict",
    errors.PermissionDenied: "PermissionDenied",
    errors.TooLarge: "TooLarge",
    RateLimited: "RateLimited",
    errors.CatalogError: "CatalogError",
    Overloaded: "Overloaded",
    EntryTooLarge: "TooLarge",
    RaftError: "RaftError",
}
_CLASSES: Final[dict[str, type[Exception]]] = {
    **{name: kind for kind, name in _NAMES.items()},
    "TooLarge": errors.TooLarge,
}

_txn_errors: Final = msgspec.msgpack.Decoder(tuple[TxnError, ...])


def to_frame(request_id: int, error: Exception) -> wire.Error | None:
    """The error of a request; None for one that nobody raises on purpose: a bug."""
    if isinstance(error, FilterError):
        # The front door's own prefix must stand behind the relay's.
        return wire.Error(request_id, "CatalogError", f"{_FILTER_PREFIX}{error}")
    fields = msgspec.msgpack.encode(error.errors) if isinstance(error, TxnRefused) else b""
    for base in type(error).__mro__:
        name = _NAMES.get(base)
        if name is not None:
            return wire.Error(request_id, name, str(error), fields)
    return None


def from_frame(frame: wire.Error) -> Exception:
    """The exception to raise; unknown classes become RpcError."""
    kind = _CLASSES.get(frame.kind, RpcError)
    # A BadRequest is the caller's own fault: Consul's agents find it without asking a server.
    text = frame.text if kind is errors.BadRequest else RELAYED + frame.text
    # Not by the class's own __init__, which may make another text of other arguments.
    error = kind.__new__(kind, text)
    if isinstance(error, TxnRefused):
        error.errors = _txn_errors.decode(frame.fields)
    return error
