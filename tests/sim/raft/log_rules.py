"""Rules of the log: entries that agree once agree for ever; memberships change step by step."""

from typing import TYPE_CHECKING

from raft.entries import Entry, Kind, SnapshotMeta, Write
from tests.sim.raft.disk import records_of
from tests.sim.raft.truth import Seen, Truth, require

if TYPE_CHECKING:
    from tests.sim.raft.server import SimServer


def on_write(truth: Truth, server: "SimServer", seen: Seen, write: Write) -> None:
    """A write leaves for storage: the log in memory is now what it says."""
    log = seen.log
    if write.truncate_to is not None:
        require(
            write.truncate_to >= log.last_index or not seen.is_leader,
            "leader append-only",
            server.name,
            write.truncate_to,
        )
        require(
            write.truncate_to >= seen.commit_index,
            "a committed entry was cut off",
            server.name,
            write.truncate_to,
        )
    first_before = log.first_index
    for record in records_of(write):
        log.note(record)
    if write.mark is not None:
        meta = _snapshot_of(server, write.mark.index)
        if log.first_index != first_before:
            seen.restart_configurations(meta)
    if write.truncate_to is not None:
        seen.truncate_configurations(write.truncate_to)
    for entry in write.entries:
        _on_position(truth, server, entry, log.term(entry.index - 1))
        seen.note_entry(entry)
        if entry.kind is Kind.CONFIGURATION and seen.is_leader:
            _on_configuration(server, seen)


def _snapshot_of(server: "SimServer", index: int) -> SnapshotMeta:
    found = [meta for meta, _ in server.disk.snapshots.values() if meta.index == index]
    require(found, "a mark before its snapshot is durable", server.name, index)
    return found[-1]


def _on_position(
    truth: Truth, server: "SimServer", entry: Entry, previous_term: int | None
) -> None:
    """Equal index and term mean equal payload and, link by link, equal logs below."""
    key = (entry.index, entry.term)
    payload, previous = truth.positions.setdefault(key, (entry.payload, previous_term))
    require(payload == entry.payload, "log matching: two entries", server.name, key)
    require(
        not previous or not previous_term or previous == previous_term,
        "log matching: two pasts",
        server.name,
        key,
        previous,
        previous_term,
    )


def _on_configuration(server: "SimServer", seen: Seen) -> None:
    """A leader appended a membership: the last one is committed, and shares its quorums."""
    if len(seen.configurations) < 2:
        return
    (before_index, before), (index, after) = seen.configurations[-2:]
    if not before.servers:
        return  # the first one ever
    require(
        before_index <= server.running.commit_index,
        "two uncommitted configurations in one log",
        server.name,
        before_index,
        index,
    )
    # Leaving a joint membership needs no such entry: whoever does it appends the same.
    require(
        before.is_joint or seen.log.term(server.running.commit_index) == server.running.term,
        "a configuration before an entry of the own term is committed",
        server.name,
        index,
    )
    changed = set(before.voter_ids()) ^ set(after.voter_ids())
    if before.is_joint:
        is_step = not after.is_joint and after.servers == before.servers
    elif after.is_joint:
        is_step = after.old_servers == before.servers
    else:
        is_step = len(changed) <= 1
    require(is_step, "adjacent configurations without a common quorum", before, after)
