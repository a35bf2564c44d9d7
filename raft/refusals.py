"""From the rules' reasons to the errors that callers get: one table."""

from collections.abc import Callable, Mapping
from typing import Final

from raft.core.types import Refusal, Refused
from raft.errors import (
    MembershipBusy,
    MembershipRefused,
    NoLeader,
    NotLeader,
    NotMember,
    Overloaded,
    RaftError,
    StaleTerm,
    TransferFailed,
    Transferring,
)

_ERRORS: Final[Mapping[Refusal, Callable[[], RaftError]]] = {
    Refusal.NO_LEADER: NoLeader,
    Refusal.STALE_TERM: StaleTerm,
    Refusal.OVERLOADED: lambda: Overloaded("too much waits for a quorum"),
    Refusal.TRANSFERRING: Transferring,
    Refusal.TOO_LARGE: lambda: Overloaded("the proposals of one turn are too large"),
    Refusal.REMOVED: NotMember,
    Refusal.PENDING_CHANGE: lambda: MembershipBusy(Refusal.PENDING_CHANGE.value),
    Refusal.NOT_READY: lambda: MembershipBusy(Refusal.NOT_READY.value),
    Refusal.CHANGED: lambda: MembershipRefused(Refusal.CHANGED.value),
    Refusal.INVALID: lambda: MembershipRefused(Refusal.INVALID.value),
    Refusal.BAD_TARGET: lambda: TransferFailed(Refusal.BAD_TARGET.value),
}


def refusal_error(refused: Refused, address: Callable[[str], str]) -> RaftError:
    """The error to raise or to answer; ``address`` gives a server's address by its id."""
    if refused.reason is Refusal.NOT_LEADER:
        return NotLeader(refused.leader_id, address(refused.leader_id))
    return _ERRORS[refused.reason]()
