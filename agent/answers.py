"""Errors to answers: the one table that says what a client is told.

Looked up along the class's bases, first match. Anything that is not listed is our own bug: it is
logged with its traceback and the client learns no more than that.
"""

from typing import Final, NamedTuple

from agent.http.call import HttpError
from agent.rpc.remote_router import RateExceeded
from agent.rpc.request import RpcError
from catalog.errors import BadRequest, CatalogError, NotFound, PermissionDenied, TooLarge
from catalog.filters import FilterError
from raft.errors import Overloaded, RaftError
from raft.errors import TooLarge as EntryTooLarge


class Told(NamedTuple):
    """An HTTP status and the text of the body."""

    status: int
    text: str


INTERNAL_ERROR: Final = Told(500, "Internal error")

_STATUS: Final[dict[type[Exception], int]] = {
    BadRequest: 400,
    NotFound: 404,
    PermissionDenied: 403,
    TooLarge: 413,
    CatalogError: 500,
    RpcError: 500,
    EntryTooLarge: 413,
    Overloaded: 429,
    RaftError: 500,
}


def told(error: Exception) -> Told | None:
    """What a client is told of an error; None when the error is our own bug."""
    if isinstance(error, HttpError):
        return Told(error.status, error.text)
    if isinstance(error, FilterError):
        return Told(500, f"Failed to create boolean expression evaluator: {error}")
    if isinstance(error, RateExceeded):
        return Told(429, "")  # Consul gives no text
    for base in type(error).__mro__:
        if base in _STATUS:
            return Told(_STATUS[base], str(error))
    return None
