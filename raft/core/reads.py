"""Linearizable reads without a log entry: from where on is the own state new enough?

The leader notes its commit index, makes sure that it still leads (a heartbeat round begun
afterwards and answered by a quorum, or a valid lease), and waits until that index is applied. At
least its no-op must be applied: before, it does not know what is committed (etcd#7331). A follower
asks the leader for the index. Source: Raft §8; thesis §6.4.
"""

import heapq
import math
from collections import OrderedDict
from typing import NamedTuple

import msgspec

from raft.core.heartbeats import Heartbeats
from raft.core.peers import Peers
from raft.core.state import State
from raft.core.types import (
    ReadFailed,
    ReadIndex,
    ReadIndexAnswer,
    ReadReady,
    Refusal,
    Refused,
    Token,
)


class _Unconfirmed(msgspec.Struct, frozen=True):
    """A read on the leader; ``peer_id`` and ``request`` when a follower asked, else ``token``."""

    index: int
    round_needed: int
    token: Token
    peer_id: str = ""
    request: int = 0


class _Asked(NamedTuple):
    """A read that the leader was asked about."""

    token: Token
    deadline: float


class Reads:
    """Reads under way on one server; every one of them ends ready or failed."""

    __slots__ = (
        "_asked",
        "_asked_of",
        "_count",
        "_heartbeats",
        "_peers",
        "_state",
        "_unapplied",
        "_waiting",
    )

    def __init__(self, state: State, peers: Peers, heartbeats: Heartbeats) -> None:
        self._state = state
        self._peers = peers
        self._heartbeats = heartbeats
        self._waiting: list[_Unconfirmed] = []  # for a round, in order
        self._asked = OrderedDict[int, _Asked]()  # by request
        self._asked_of = (0, "")  # term and leader that were asked
        self._unapplied: list[tuple[int, int, Token]] = []  # heap of index, order, token
        self._count = state.fresh_number()

    def begin(self) -> None:
        """Nothing waits: reads of a follower were asked of another leader."""
        assert not self._waiting

    def end(self) -> None:
        """Who could not be told that this server still led is told that it does not."""
        waiting, self._waiting = self._waiting, []
        for read in waiting:
            if read.peer_id:
                answer = ReadIndexAnswer(self._state.term, read.request, 0, accepted=False)
                self._state.send(read.peer_id, answer)
            else:
                self._fail(read.token, self._state.refusal())

    def read(self, token: Token, *, lease_allowed: bool) -> None:
        """Serve ``token`` as soon as the state is new enough."""
        state = self._state
        if len(self) >= state.settings.reads_waiting_max:
            self._fail(token, Refused(Refusal.OVERLOADED))
        elif state.is_leader and lease_allowed and self._heartbeats.has_lease():
            self._await_applied(token, state.commit_index)
        elif state.is_leader:
            self._await_round(token)
        elif state.leader_id:
            self._ask(token)
        else:
            self._fail(token, state.refusal())

    def on_read_index(self, sender_id: str, message: ReadIndex) -> None:
        """A follower asks for the index of a read."""
        state = self._state
        if not state.is_leader or len(self) >= state.settings.reads_waiting_max:
            answer = ReadIndexAnswer(state.term, message.request, 0, accepted=False)
            state.send(sender_id, answer)
        else:  # by a round in any case: the follower may have been told not to trust clocks
            self._await_round(None, sender_id, message.request)
            progress = self._peers.progress.get(sender_id)
            if progress is not None:
                progress.commit_asked = self._waiting[-1].index  # it cannot read before it hears

    def on_answer(self, message: ReadIndexAnswer) -> None:
        """The leader told the index, or that it does not lead."""
        asked = self._asked.pop(message.request, None)
        if asked is None:
            return
        if message.accepted:
            self._await_applied(asked.token, message.index)
        else:
            self._fail(asked.token, self._state.refusal())

    def tick(self) -> None:
        """Give up on answers that were lost."""
        while self._asked:
            request, asked = next(iter(self._asked.items()))
            if asked.deadline > self._state.now:
                return
            del self._asked[request]
            self._fail(asked.token, Refused(Refusal.NO_LEADER))

    def settle(self) -> None:
        """Let go of what is confirmed and applied; begin a round for what still waits.

        All that waits shares one round, and only one more than the periodic ones is under way.
        """
        state = self._state
        if self._asked and self._asked_of != (state.term, state.leader_id):
            asked_reads, self._asked = self._asked, OrderedDict()
            for asked in asked_reads.values():
                self._fail(asked.token, state.refusal())
        if self._waiting:
            self._settle_rounds()
        while self._unapplied and self._unapplied[0][0] <= state.applied_index:
            index, _, token = heapq.heappop(self._unapplied)
            state.reads_ready.append(ReadReady(token, index))

    def deadline(self) -> float:
        """When the oldest question to the leader is given up."""
        return next(iter(self._asked.values())).deadline if self._asked else math.inf

    def __len__(self) -> int:
        return len(self._waiting) + len(self._asked) + len(self._unapplied)

    def _settle_rounds(self) -> None:
        confirmed = self._heartbeats.confirmed_round()
        ready = 0
        while ready < len(self._waiting) and self._waiting[ready].round_needed <= confirmed:
            self._confirm(self._waiting[ready])
            ready += 1
        del self._waiting[:ready]
        if not self._waiting:
            return
        is_round_under_way = self._waiting[0].round_needed <= self._heartbeats.round
        if not is_round_under_way:
            self._heartbeats.send_round()

    def _await_round(self, token: Token, peer_id: str = "", request: int = 0) -> None:
        state = self._state
        index = max(state.commit_index, state.own_term_index)
        round_needed = self._heartbeats.round + 1
        self._waiting.append(_Unconfirmed(index, round_needed, token, peer_id, request))

    def _confirm(self, read: _Unconfirmed) -> None:
        if read.peer_id:
            answer = ReadIndexAnswer(self._state.term, read.request, read.index, accepted=True)
            self._state.send(read.peer_id, answer)
        else:
            self._await_applied(read.token, read.index)

    def _await_applied(self, token: Token, index: int) -> None:
        self._count += 1
        heapq.heappush(self._unapplied, (index, self._count, token))

    def _ask(self, token: Token) -> None:
        state = self._state
        if self._asked_of != (state.term, state.leader_id):
            self.settle()
            self._asked_of = (state.term, state.leader_id)
        self._count += 1
        deadline = state.now + state.settings.election_timeout_s
        self._asked[self._count] = _Asked(token, deadline)
        state.send(state.leader_id, ReadIndex(state.term, self._count))

    def _fail(self, token: Token, refused: Refused) -> None:
        self._state.reads_failed.append(ReadFailed(token, refused.reason))
