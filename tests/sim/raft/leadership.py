"""Rules of leaders: one a term, complete, committing only what a quorum holds durably."""

from typing import TYPE_CHECKING

from raft.core.types import Role, RoleChange
from tests.sim.raft.truth import Seen, Truth, require

if TYPE_CHECKING:
    from tests.sim.raft.server import SimServer


def on_role(truth: Truth, server: "SimServer", seen: Seen, change: RoleChange) -> None:
    """Role, term or leader changed."""
    require(change.term >= seen.term, "a term went back", server.name, change)
    require(change.epoch >= seen.epoch, "an epoch went back", server.name, change)
    is_leader = change.role is Role.LEADER
    if is_leader:
        first = truth.leaders.setdefault(change.term, server.name)
        require(
            first == server.name,
            "election safety: two leaders in a term",
            change.term,
            first,
            server.name,
        )
    if is_leader != seen.is_leader:
        require(change.epoch > seen.epoch, "leadership changed within an epoch", change)
    seen.term, seen.epoch, seen.is_leader = change.term, change.epoch, is_leader
    if is_leader:
        seen.led_term = change.term


def on_won(truth: Truth, server: "SimServer", seen: Seen) -> None:
    """A leader is a voter, its own vote is durable, and it has all that earlier ones committed."""
    if not seen.is_leader:
        return
    require(
        any(
            server.name in (*configuration.voter_ids(), *configuration.old_voter_ids())
            for configuration in seen.configurations_possible()
        ),
        "a server that is no voter leads",
        server.name,
        seen.configuration,
    )
    state = server.disk.image.hard_state
    require(
        (state.term, state.vote) == (seen.term, server.name),
        "a leader's own vote is not durable",
        server.name,
        state,
    )
    supporters = {
        voter
        for voter in truth.servers
        if truth.votes.get((voter, seen.term)) == server.name or voter == server.name
    }
    require(
        truth.is_quorum(supporters, seen.configuration),
        "a leader without the votes of a quorum",
        server.name,
        sorted(supporters),
    )
    for term, index in truth.commit_of_term.items():
        if term < seen.term:
            _require_complete(truth, server, seen, index)
    for other in truth.servers.values():
        lease_term, lease_ends_at = truth.seen[other.name].lease
        if other.core is not None and lease_term < seen.term:
            require(
                other.local_s() >= lease_ends_at,
                "a lease is valid although another leader was elected",
                other.name,
                server.name,
            )


def on_commit(truth: Truth, server: "SimServer", seen: Seen) -> None:
    """A commit index grew; a leader's makes entries final, a follower's only repeats."""
    core = server.running
    index = core.commit_index
    require(index >= seen.commit_index, "a commit index went back", server.name, index)
    before, seen.commit_index = seen.commit_index, index
    if seen.led_term != core.term:
        require(
            index <= truth.commit_index,
            "a follower commits what no leader committed",
            server.name,
            index,
            truth.commit_index,
        )
        require(
            seen.log.term(index) in (None, 0, truth.committed[index]) if index else True,
            "a follower commits another entry",
            server.name,
            index,
        )
        return
    _make_final(truth, server, seen, before, index)


def _make_final(truth: Truth, server: "SimServer", seen: Seen, before: int, index: int) -> None:
    term = seen.led_term
    require(
        seen.log.term(index) == term,
        "a leader commits an entry of an earlier term by counting",
        server.name,
        index,
    )
    for each in range(max(before + 1, seen.log.first_index), index + 1):
        entry_term = seen.log.term(each)
        assert entry_term is not None
        require(
            truth.committed.setdefault(each, entry_term) == entry_term,
            "another entry was committed at this index",
            server.name,
            each,
        )
    truth.commit_index = max(truth.commit_index, index)
    truth.commit_of_term[term] = index
    holders = {name for name in truth.servers if truth.holds(name, index, term)}
    require(
        truth.is_quorum(holders, seen.configuration),
        "an entry is committed before a quorum has it durably",
        server.name,
        index,
        sorted(holders),
    )
    for other in truth.servers.values():
        if other is server or other.core is None:
            continue
        other_seen = truth.seen[other.name]
        if other_seen.is_leader and other_seen.term > term:
            _require_complete(truth, other, other_seen, index)


def _require_complete(truth: Truth, server: "SimServer", seen: Seen, index: int) -> None:
    require(
        seen.log.last_index >= index and seen.log.term(index) in (None, 0, truth.committed[index]),
        "leader completeness: a leader lacks a committed entry",
        server.name,
        index,
    )


def check_progress(truth: Truth, server: "SimServer") -> None:
    """What a leader believes of its followers is not more than their disks hold."""
    core = server.running
    window_count_max = server.world.profile.settings.window_count_max
    for peer_id, progress in core.progress.items():
        peer = truth.servers.get(peer_id)
        require(0 <= progress.match_index < progress.next_index, "match >= next", peer_id)
        require(len(progress.in_flight) <= window_count_max, "too much in flight", peer_id)
        if peer is not None and (peer.core is None or peer.core.term <= core.term):
            require(
                progress.match_index <= peer.disk.image.last_index,
                "a leader believes that a follower has more than its disk holds",
                server.name,
                peer_id,
                progress.match_index,
                peer.disk.image.last_index,
            )
