"""Elections: when to stand, whom to vote for, and how votes add up.

Pre-votes keep a server that cannot win from raising everybody's term (thesis §9.6); voters that
hear a leader ignore other candidates (thesis §4.2.3), which is what makes leases safe. A vote, the
own one too, exists only once it is durable.
"""

import math
from typing import Final

from raft.core.quorum import VoteResult, vote_result
from raft.core.roles import NOBODY, Roles
from raft.core.state import State
from raft.core.types import (
    PreVote,
    PreVoteAnswer,
    Role,
    Vote,
    VoteAnswer,
)

_BOOTSTRAP_INDEX: Final = 1  # the first entry of a cluster, which no leader proposed


class Election:
    """Votes given and received by one server. Votes are counted by sender, never by message."""

    __slots__ = ("_roles", "_round", "_state", "_votes")

    def __init__(self, state: State, roles: Roles) -> None:
        self._state = state
        self._roles = roles
        self._votes: dict[str, bool] = {}
        self._round = state.fresh_number()  # of pre-votes: late answers do not count
        self.schedule()

    def schedule(self) -> None:
        """Wait for a leader before standing, unless this server is known to be alone.

        A membership that is not committed does not tell: its leader may still hold a lease. That
        of a bootstrap does, as nobody else ever led.
        """
        state, membership = self._state, self._state.membership
        state.set_election_deadline()
        is_final = membership.index <= max(state.commit_index, _BOOTSTRAP_INDEX)
        if is_final and membership.voters.ids() == (state.server_id,):
            state.election_deadline = state.now

    def deadline(self) -> float:
        """When ``tick`` has something to do."""
        state = self._state
        return math.inf if state.is_leader or not state.may_lead else state.election_deadline

    def tick(self) -> None:
        """Stand for election when no leader was heard for long enough."""
        state = self._state
        if state.is_leader or state.now < state.election_deadline:
            return
        if state.can_campaign:
            self._ask_around()
        else:
            state.set_election_deadline()

    def on_timeout_now(self, sender_id: str) -> None:
        """The leader hands over: stand at once, without a pre-vote (thesis §3.10)."""
        state = self._state
        if state.role is Role.FOLLOWER and sender_id == state.leader_id and state.can_campaign:
            self._stand(is_transfer=True)

    # --- as a voter ---

    def on_pre_vote(self, sender_id: str, message: PreVote) -> None:
        """Say whether the sender would get this vote; changes nothing."""
        state = self._state
        is_newer = message.term > state.term
        if is_newer and self._has_leader():
            return
        may_vote = is_newer or (message.term == state.term and self._may_vote_for(sender_id))
        granted = may_vote and self._is_up_to_date(message)
        term = message.term if granted else state.term
        state.send(sender_id, PreVoteAnswer(term, granted, message.round))

    def on_vote(self, sender_id: str, message: Vote) -> None:
        """Vote, at most once a term; a repeated request gets the same answer.

        A candidate that the own membership does not name may still be a voter of a newer one.
        Who hears a leader is silent in every term: its word is what the leader's lease is made of.
        """
        state = self._state
        is_repeated = (message.term, sender_id) == (state.term, state.vote)
        if self._has_leader() and not message.is_transfer and not is_repeated:
            return
        if message.term > state.term:
            self._roles.follow(message.term, NOBODY)
        if not (self._may_vote_for(sender_id) and self._is_up_to_date(message)):
            state.send(sender_id, VoteAnswer(state.term, granted=False))
            return
        if state.vote != sender_id:
            state.set_term(state.term, sender_id)
            self._roles.follow(state.term, NOBODY)  # a pre-candidate gives up
        state.set_election_deadline()
        state.send_durable(sender_id, VoteAnswer(state.term, granted=True))

    def _has_leader(self) -> bool:
        """Whether a leader was heard so lately that no other can be elected without its will."""
        state = self._state
        timeout_s = state.settings.election_timeout_s
        heard_lately = state.now < state.last_contact_at + timeout_s
        return state.is_leader or heard_lately or state.now < state.refuses_votes_until

    def _may_vote_for(self, sender_id: str) -> bool:
        state = self._state
        return state.vote == sender_id or (not state.vote and not state.leader_id)

    def _is_up_to_date(self, message: Vote | PreVote) -> bool:
        log = self._state.log
        return (message.last_term, message.last_index) >= (log.last_term, log.last_index)

    # --- as a candidate ---

    def on_pre_vote_answer(self, sender_id: str, message: PreVoteAnswer) -> None:
        """Count one; a refusal from a later term was dealt with before."""
        state = self._state
        if state.role is Role.PRE_CANDIDATE and message.round == self._round:
            self._votes.setdefault(sender_id, message.granted)
            self._count()

    def on_vote_answer(self, sender_id: str, message: VoteAnswer) -> None:
        """Count one vote of this term."""
        if self._state.role is Role.CANDIDATE:
            self._votes.setdefault(sender_id, message.granted)
            self._count()

    def _ask_around(self) -> None:
        state = self._state
        self._roles.stand_for_pre_vote()
        self._round += 1
        self._votes = {state.server_id: True}
        log = state.log
        question = PreVote(state.term + 1, log.last_index, log.last_term, self._round)
        for voter in state.membership.voters.ids():
            if voter != state.server_id:
                state.send(voter, question)
        self._count()

    def _stand(self, *, is_transfer: bool) -> None:
        state = self._state
        self._roles.stand_for_election()
        self._votes = {}
        log = state.log
        request = Vote(state.term, log.last_index, log.last_term, is_transfer)
        for voter in state.membership.voters.ids():
            # It leaves after the own vote and every entry it speaks of are durable: a request
            # answered after a crash would elect a server that lost those entries.
            if voter == state.server_id:
                state.send_durable(voter, VoteAnswer(state.term, granted=True))
            else:
                state.send_durable(voter, request)

    def _count(self) -> None:
        match vote_result(self._votes, self._state.membership.voters):
            case VoteResult.WON if self._state.role is Role.PRE_CANDIDATE:
                self._stand(is_transfer=False)
            case VoteResult.WON:
                self._roles.lead()
            case VoteResult.LOST:
                self._roles.follow(self._state.term, NOBODY)
            case VoteResult.PENDING:
                pass
