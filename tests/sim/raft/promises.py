"""Rules of messages: none leaves before what it promises is durable, and none takes one back."""

from typing import TYPE_CHECKING

from raft.core.types import (
    AppendAnswer,
    Message,
    Outgoing,
    Restart,
    Role,
    SnapshotAnswer,
    SnapshotStatus,
    Vote,
    VoteAnswer,
)
from tests.sim.raft.truth import Seen, Truth, require

if TYPE_CHECKING:
    from tests.sim.raft.server import SimServer


def on_restart(truth: Truth, server: "SimServer", seen: Seen, restart: Restart) -> None:
    """A process starts: what it promised in former lives must be there."""
    state = restart.hard_state
    last_term = restart.entries[-1].term if restart.entries else 0
    require(
        max(state.term, last_term) >= seen.term_promised,
        "a promised term was forgotten over a restart",
        server.name,
        state,
        seen.term_promised,
    )
    vote = truth.votes.get((server.name, state.term))
    require(
        vote in (None, state.vote),
        "a vote was forgotten over a restart",
        server.name,
        state,
        vote,
    )


def on_message(truth: Truth, server: "SimServer", seen: Seen, outgoing: Outgoing) -> None:
    """A message leaves."""
    message: Message = outgoing.message
    present = message.term == server.running.term
    match message:
        case Vote(term=term, last_index=last_index):
            _require_vote(truth, server, term, server.name)
            # One that is out of the race may have cut these entries: nobody counts its votes.
            is_running = present and server.running.role is Role.CANDIDATE
            require(
                server.disk.image.last_index >= last_index or not is_running,
                "a vote request tells of entries that are not durable",
                server.name,
                message,
            )
        case VoteAnswer(term=term, granted=True):
            _require_vote(truth, server, term, outgoing.peer_id)
        case AppendAnswer(term=term, accepted=True, index=index) if present:
            _require_durable(server, seen, index, message)
        case SnapshotAnswer(term=term, status=SnapshotStatus.DONE, index=index) if present:
            _require_durable(server, seen, index, message)
        case _:
            return
    seen.term_promised = max(seen.term_promised, term)


def _require_vote(truth: Truth, server: "SimServer", term: int, candidate: str) -> None:
    first = truth.votes.setdefault((server.name, term), candidate)
    require(first == candidate, "two votes in a term", server.name, term, first, candidate)
    state = server.disk.image.hard_state
    require(
        state.term > term or (state.term, state.vote) == (term, candidate),
        "a vote leaves before it is durable",
        server.name,
        candidate,
        state,
    )


def _require_durable(server: "SimServer", seen: Seen, index: int, message: Message) -> None:
    image = server.disk.image
    durable, wanted = image.term(index), seen.log.term(index)
    require(
        image.last_index >= index and (durable == wanted or not durable or not wanted),
        "an acknowledgement leaves before its entries are durable",
        server.name,
        message,
        image.last_index,
    )
    last_term = image.term(image.last_index) or 0
    require(
        max(image.hard_state.term, last_term) >= message.term,
        "an acknowledgement leaves before its term is durable",
        server.name,
        message,
        image.hard_state,
    )
