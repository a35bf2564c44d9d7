"""What must hold after every event, judged from outside: by writes, messages, disks and machines.

Everything is checked once, when it changes, so a run costs little more with checks than without.
A broken rule raises ``Violation``. Sources: Raft §5 figure 3; thesis §3.6, §4 and §6.4.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from raft.core.types import Accepted, Effects, Refused, Restart, Role
from raft.entries import Entry, Kind, SnapshotMeta
from tests.sim.raft import leadership, log_rules, promises
from tests.sim.raft.machine import number_of
from tests.sim.raft.truth import Seen, Truth, require

READS_A_TURN_MAX: Final = 100  # refused ones are told at the end of the turn

if TYPE_CHECKING:
    from tests.sim.raft.server import SimServer


class Checkers:
    """Called by the servers of one world, before and after what they do."""

    def __init__(self) -> None:
        self.truth = Truth()

    def on_start(self, server: "SimServer", restart: Restart) -> None:
        """A process is about to start with this."""
        self.truth.servers[server.name] = server
        seen = self.truth.seen.setdefault(server.name, Seen())
        promises.on_restart(self.truth, server, seen, restart)
        seen.restart(server.disk.image, restart.snapshot)

    def on_effects(self, server: "SimServer", effects: Effects) -> None:
        """The effects of a turn, before they are carried out."""
        truth, seen = self.truth, self.truth.seen[server.name]
        for change in effects.role_changes:
            leadership.on_role(truth, server, seen, change)
        for write in effects.writes:
            log_rules.on_write(truth, server, seen, write)
        if any(change.role is Role.LEADER for change in effects.role_changes):
            leadership.on_won(truth, server, seen)
        for ended in effects.transfers_ended:
            if ended.target_id == seen.transfer_target:
                seen.transfer_target = ""
        for outgoing in effects.messages:
            promises.on_message(truth, server, seen, outgoing)
        if server.running.commit_index != seen.commit_index:
            leadership.on_commit(truth, server, seen)
        for entry in effects.committed:
            require(
                truth.holds(server.name, entry.index, entry.term),
                "an entry is applied before it is durable here",
                server.name,
                entry.index,
            )

    def after_turn(self, server: "SimServer") -> None:
        """The effects of a turn were carried out."""
        core, seen = server.running, self.truth.seen[server.name]
        core.invariant_check()
        require(
            seen.applied_index <= core.applied_index <= core.commit_index <= core.last_index,
            "applied <= commit <= last",
            server.name,
            seen.applied_index,
            core.applied_index,
            core.commit_index,
            core.last_index,
        )
        seen.applied_index = core.applied_index
        require(
            core.last_index == seen.log.last_index,
            "the log in memory is not what was written",
            server.name,
            core.last_index,
            seen.log.last_index,
        )
        require(
            (core.configuration_index, core.configuration) == seen.configurations[-1],
            "the membership in force is not the newest in the log",
            server.name,
            core.configuration_index,
            seen.configurations[-1],
        )
        seen.lease = (core.term, core.lease_ends_at(server.local_s()))
        if seen.is_leader:
            leadership.check_progress(self.truth, server)

    def after_tick(self, server: "SimServer") -> None:
        """What was due is done; a deadline that has passed would make the driver spin."""
        if server.core is None or server.is_paused or server.world.profile.turn_s:
            return
        require(
            server.deadline is None or server.deadline > server.local_s(),
            "a deadline has passed and nothing was done",
            server.name,
            server.deadline,
            server.local_s(),
        )

    def on_load(self, server: "SimServer", to_apply: Sequence[Entry], read_count: int) -> None:
        """What a server has on hand stays within its limits."""
        settings = server.world.profile.settings
        require(
            read_count <= settings.reads_waiting_max + READS_A_TURN_MAX,
            "more reads wait than allowed",
            server.name,
            read_count,
        )
        # The entry that crosses the limit still goes along.
        size_bytes = sum(len(entry.payload) for entry in list(to_apply)[:-1])
        require(
            size_bytes <= settings.unapplied_bytes_max,
            "more is handed to the state machine than allowed",
            server.name,
            size_bytes,
        )

    # --- proposals and the machine ---

    def on_transfer(self, server: "SimServer", target_id: str) -> None:
        """Leadership is being handed over from now on."""
        self.truth.seen[server.name].transfer_target = target_id

    def on_proposed(self, server: "SimServer", payload: bytes, taken: Accepted | Refused) -> None:
        """A proposal was taken, or not."""
        if not isinstance(taken, Accepted):
            return
        core, settings = server.running, server.world.profile.settings
        require(server.is_leader and taken.term == core.term, "a follower took a proposal", taken)
        # In a longer turn the transfer may have ended before, as its effects will tell.
        require(
            not self.truth.seen[server.name].transfer_target or server.world.profile.turn_s,
            "a proposal is taken in the middle of a transfer",
            server.name,
        )
        waiting = taken.first_index - 1 - core.commit_index
        require(
            waiting <= settings.uncommitted_count_max,
            "more proposals without a quorum than allowed",
            server.name,
            waiting,
        )
        size_bytes = len(payload) + sum(
            len(entry.payload) for entry in core.entries(core.commit_index + 1, core.last_index - 1)
        )
        require(
            not waiting or size_bytes <= settings.uncommitted_bytes_max,
            "more bytes without a quorum than allowed",
            server.name,
            size_bytes,
        )
        number = number_of(Entry(1, 1, Kind.COMMAND, payload))
        assert number is not None
        self.truth.proposed[number] = self.truth.proposed.get(number, 0) + 1

    def on_applied(self, server: "SimServer", entry: Entry) -> None:
        """A machine has executed an entry."""
        truth, index = self.truth, entry.index
        require(
            truth.committed.get(index) == entry.term,
            "state machine safety: an entry is applied that no leader committed",
            server.name,
            index,
        )
        self._on_digest(server)
        number = number_of(entry)
        if number is not None:
            indexes = truth.executed.setdefault(number, set())
            indexes.add(index)
            require(
                len(indexes) <= truth.proposed.get(number, 0),
                "a command is in the log more often than it was proposed",
                number,
                sorted(indexes),
            )

    def on_restored(self, server: "SimServer", meta: SnapshotMeta) -> None:
        """A machine was replaced by a snapshot: it must be as if the log had been replayed."""
        require(server.machine.applied_index == meta.index, "a snapshot of another index", meta)
        self._on_digest(server)

    def on_snapshot(self, server: "SimServer", meta: SnapshotMeta) -> None:
        """A snapshot is taken: it names the membership of its index."""
        known = [
            pair for pair in self.truth.seen[server.name].configurations if pair[0] <= meta.index
        ]
        require(
            known and known[-1] == (meta.configuration_index, meta.configuration),
            "a snapshot with the membership of another index",
            server.name,
            meta,
            known,
        )

    def _on_digest(self, server: "SimServer") -> None:
        machine = server.machine
        digest = self.truth.digests.setdefault(machine.applied_index, machine.digest)
        require(
            digest == machine.digest,
            "state machine safety: two states at one index",
            server.name,
            machine.applied_index,
        )
