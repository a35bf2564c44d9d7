"""What a majority has reached, and how an election stands: for one membership or a joint one.

Pure. A decision of a joint membership needs a majority of each half (Raft §6); an empty half
agrees to everything.
"""

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple


class Voters(NamedTuple):
    """Whose word counts: the ids of the newer half and of the half being left (usually empty)."""

    newer: tuple[str, ...] = ()
    older: tuple[str, ...] = ()

    def include(self, server_id: str) -> bool:
        """Whether the server votes in either half."""
        return server_id in self.newer or server_id in self.older

    def ids(self) -> tuple[str, ...]:
        """Each voter once, in a fixed order."""
        return (*self.newer, *(old for old in self.older if old not in self.newer))


class VoteResult(Enum):
    """How an election stands."""

    PENDING = "pending"
    WON = "won"
    LOST = "lost"


def reached(values: Mapping[str, float], voters: Voters) -> float:
    """The largest value that a quorum has reached; a voter without one has minus infinity.

    The median of the match indexes is the commit index (Raft §5.3); of times, the last contact
    with a quorum. Infinity without any voter.
    """
    newer = _reached(values, voters.newer)
    return min(newer, _reached(values, voters.older)) if voters.older else newer


def _reached(values: Mapping[str, float], half: Sequence[str]) -> float:
    if not half:
        return math.inf
    descending = sorted([values.get(voter, -math.inf) for voter in half], reverse=True)
    return descending[len(half) // 2]


def vote_result(votes: Mapping[str, bool], voters: Voters) -> VoteResult:
    """WON with a majority of grants in each half, LOST when some half can no longer give one."""
    halves = {_vote_result(votes, half) for half in voters}
    if VoteResult.LOST in halves:
        return VoteResult.LOST
    return VoteResult.PENDING if VoteResult.PENDING in halves else VoteResult.WON


def _vote_result(votes: Mapping[str, bool], half: Sequence[str]) -> VoteResult:
    if not half:
        return VoteResult.WON
    majority = len(half) // 2 + 1
    granted = sum(votes.get(voter, False) for voter in half)
    refused = sum(not votes.get(voter, True) for voter in half)
    if granted >= majority:
        return VoteResult.WON
    return VoteResult.LOST if len(half) - refused < majority else VoteResult.PENDING
