"""Two nodes with one name: ask the others which of them is meant, and stop if it is not us.

A difference to Serf: without any vote we stay, as one forged message could stop a lone node.
Source: Serf's name conflict resolution.
"""

from gossip.core.effects import ConflictSeen, Stop
from gossip.core.inputs import Ask
from gossip.core.queries import INTERNAL_PREFIX, Queries
from gossip.core.roster import Roster
from gossip.core.surroundings import Surroundings
from gossip.core.table import Node
from gossip.core.types import Address, ConflictVote, Query


class NameConflicts:
    """Reports conflicts, and votes on those about our own name."""

    def __init__(self, around: Surroundings, roster: Roster, queries: Queries) -> None:
        self._around = around
        self._roster = roster
        self._queries = queries
        self._is_voting = False
        queries.internal["conflict"] = self._answer

    def seen(self, node: Node, other: Address) -> None:
        """``other`` claims to be ``node``."""
        config = self._around.config
        self._around.emit(ConflictSeen(node.name, node.address, other))
        if node.name != config.name or not config.resolve_name_conflicts or self._is_voting:
            return
        votes: dict[str, bool] = {}

        def answered(sender: str, payload: bytes | None) -> None:
            vote = self._around.payloads.decode(payload) if payload is not None else None
            if isinstance(vote, ConflictVote):
                member = vote.member
                votes[sender] = member is not None and member.address == config.address

        def finished(_ack_count: int, _response_count: int) -> None:
            self._is_voting = False
            matching = sum(votes.values())
            if votes and matching < len(votes) // 2 + 1:
                self._around.emit(
                    Stop(f"minority in name conflict resolution [{matching} / {len(votes)}]")
                )

        ask = Ask(0, INTERNAL_PREFIX + "conflict", config.name.encode())
        self._is_voting = not self._queries.ask_for(ask, answered, finished)

    def _answer(self, query: Query) -> None:
        name = query.payload.decode(errors="replace")
        if name == self._around.config.name:
            return
        entry = self._roster.get(name)
        vote = ConflictVote(entry.member() if entry is not None else None)
        self._queries.answer(query, self._around.payloads.encode(vote))
