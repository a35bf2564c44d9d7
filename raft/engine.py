"""The loop's turn: inputs to the rules, one ``take_effects``, and the effects carried out.

Inputs of a turn change what the rules know; the turn draws the conclusions once: messages leave,
writes go to storage, committed entries are applied in slices, proposers and readers are answered,
changes of role are told, the timer is set. Everything here runs on the loop thread.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final

from raft.alarm import Alarm
from raft.applier import Applier
from raft.core.node import Raft
from raft.core.types import (
    Accepted,
    Effects,
    Message,
    Refused,
    Role,
    SnapshotRead,
    SnapshotStore,
)
from raft.entries import SnapshotMeta
from raft.errors import NoLeader, NotLeader, NotMember, OutcomeUnknown, RaftError, Stopped
from raft.leadership import Leadership
from raft.machine import Done, NoPeers, Peers, StateMachine, Surroundings
from raft.proposals import Proposals
from raft.reads import ReadDone, Reads
from raft.refusals import refusal_error
from raft.snapshot_exchange import Outcomes, SnapshotExchange
from raft.snapshots import read_chunks
from raft.storage import Storage

ROUNDS_MAX: Final = 8  # of effects in one turn, when storage answers at once; then others run

_log = logging.getLogger("raft")


class Engine:
    """Runs ``raft`` after ``begin``; ``newest`` is the newest stored snapshot of the state.

    ``on_snapshot_wanted()`` is called when the rules want a newer one; ``is_snapshot_missed`` says
    that a follower waits for it.
    """

    def __init__(self, machine: StateMachine, storage: Storage, surroundings: Surroundings) -> None:
        self.proposals = Proposals(self.wake, storage.shortage)
        self.applier = Applier(machine, self.proposals, surroundings.monotonic_s)
        self.leadership = Leadership()
        self.newest: SnapshotMeta | None = None
        self.on_snapshot_wanted: Callable[[], None] = lambda: None
        self.led_until_s = -math.inf  # a leader hears itself
        self.lease_ends_at_s = -math.inf  # as ``View.can_read_now`` found it since the last turn
        self.is_snapshot_missed = False  # a follower asked for one that cannot be read
        self.raft: Raft | None = None
        self._storage = storage
        self.peers: Peers = NoPeers()
        self._now = surroundings.monotonic_s
        self._on_fatal = surroundings.on_fatal
        self._reads = Reads()
        self._exchange: SnapshotExchange | None = None
        self._addresses: dict[str, str] = {}
        self.is_paused = False
        self._is_turn_due = False
        self._is_turning = False
        self._has_news = False
        self._is_ended = True
        self._alarm = Alarm(self._tick, self._now)

    # --- life ---

    def begin(self, raft: Raft) -> None:
        """Run from now on; storage takes writes."""
        self._loop = asyncio.get_running_loop()
        self._exchange = self._make_exchange()
        self.raft = raft
        self._is_ended = False
        self.proposals.refusal = self._refusal
        self._set_peers()
        raft.tick(self._now())
        self._turn()

    def _make_exchange(self) -> SnapshotExchange:
        outcomes = Outcomes(
            read=self._snapshot_read,
            unreadable=self._snapshot_unreadable,
            stored=self._snapshot_stored,
            store_failed=self._snapshot_store_failed,
        )
        return SnapshotExchange(self._storage.snapshots, outcomes, self._now)

    def end(self, error: RaftError) -> None:
        """Do nothing any more, and let nobody wait for ever."""
        if self._is_ended:
            return
        self._is_ended = True
        self._alarm.cancel()
        self.proposals.refusal = lambda: error
        self.proposals.lose(self.applier.applied_index, OutcomeUnknown(str(error)))
        self._reads.fail(error)
        self.applier.fail(error)
        self.leadership.fail(error)

    async def close(self) -> None:
        """Let go of every file; after ``end``."""
        if self._exchange is not None:
            await self._exchange.close()

    def failed(self, error: BaseException) -> None:
        """Durability is lost."""
        self.end(Stopped(f"the log failed, outcome unknown: {error}"))

    def recovered(self, snapshot: SnapshotMeta | None) -> None:
        """The state machine holds this snapshot; the rules do not run yet."""
        self.newest = snapshot
        if snapshot is not None:
            self.applier.restored(snapshot.index, snapshot.term)
        self.proposals.refusal = NoLeader

    def expect(self, index: int, done: Done) -> None:
        """Tell ``done`` of an entry of this leadership that is no command."""
        if self.leadership.is_leader and not self._is_ended:
            self.proposals.expect(index, done)
            self.wake()
        else:
            done(0, OutcomeUnknown())

    def running(self) -> Raft:
        """The rules, while they run; raises ``Stopped`` or why not."""
        if self.raft is None or self._is_ended:
            raise self.proposals.refusal() if self.proposals.refusal else Stopped("ended")
        return self.raft

    # --- inputs ---

    def receive(self, peer_id: str, message: Message) -> None:
        """A message came; nothing happens before ``begin``."""
        if self.raft is not None:
            self._feed(self.raft.step, peer_id, message)

    def peer_unreachable(self, peer_id: str) -> None:
        """The connection to a peer broke."""
        if self.raft is not None:
            self._feed(self.raft.peer_unreachable, peer_id)

    def persisted(self, sequence: int) -> None:
        """Storage reports: every write up to this number is durable."""
        if self.raft is None or self._is_ended:
            return
        self._has_news = True
        if self._is_turning:
            self.raft.persisted(sequence, self._now())
        elif self._feed(self.raft.persisted, sequence, wakes=False) and not self._is_turn_due:
            self._turn()

    def read(self, done: ReadDone, *, lease_allowed: bool) -> None:
        """Tell ``done`` once the own state is at least as new as now."""
        raft = self.running()
        raft.read(self._reads.begin(done), self._now(), lease_allowed=lease_allowed)
        self.wake()

    def snapshot_made(self, meta: SnapshotMeta) -> None:
        """A snapshot of the own state is durable."""
        if self.newest is None or self.newest.index < meta.index:
            self.newest = meta
        self.is_snapshot_missed = False
        self.marked(meta)

    def marked(self, meta: SnapshotMeta) -> None:
        """Entries up to here need not be kept."""
        if not self._is_ended:
            self.running().snapshot_made(meta, self._now())
            self._has_news = True
            self.wake()

    def state_replaced(self, meta: SnapshotMeta) -> None:
        """The leader's state machine and storage hold another state, as of ``meta``."""
        self.newest = meta
        self.applier.restored(meta.index, meta.term)
        self.running().state_replaced(meta, self._now())
        self._turn()

    def wake(self) -> None:
        """Take a turn once the inputs of this one are in."""
        if not self._is_turn_due and not self._is_ended:
            self._is_turn_due = True
            self._loop.call_soon(self._due)

    def pause(self) -> None:
        """Take proposals but put none into the log until ``resume``."""
        self.is_paused = True

    def resume(self) -> None:
        """End a pause."""
        self.is_paused = False
        self.wake()

    async def drained(self) -> int:
        """Wait until everything that is in the log or submitted is applied; the applied index.

        Raises ``OutcomeUnknown`` when this server does not lead, or ceases to.
        """
        assert self.raft is not None
        if self.proposals.has_batch and not self.is_paused and not self._is_ended:
            self._turn()
        if not self.leadership.is_leader:
            raise OutcomeUnknown
        await self.applier.applied(self.raft.last_index)
        return self.applier.applied_index

    def address(self, server_id: str) -> str:
        """Where a member is; "" when it is none."""
        return self._addresses.get(server_id, "")

    # --- the turn ---

    def _due(self) -> None:
        self._is_turn_due = False
        self._turn()

    def _feed(self, take: Callable[..., None], *arguments: object, wakes: bool = True) -> bool:
        """Give the rules an input; returns whether they go on."""
        if self._is_ended:
            return False
        try:
            take(*arguments, self._now())
        except Exception as error:  # noqa: BLE001 - a rule is broken: go no further
            self._break_off(error)
            return False
        if wakes:
            self.wake()
        return True

    def _break_off(self, error: Exception) -> None:
        _log.critical("the log cannot go on", exc_info=error)
        self.failed(error)
        self._on_fatal(error)

    def _turn(self) -> None:
        if self._is_ended:
            return
        self._is_turning = True
        try:
            deadline = self._run()
        except Exception as error:  # noqa: BLE001 - the rules or the state are broken: go no further
            self._break_off(error)
            return
        finally:
            self._is_turning = False
        if not self._is_ended:
            self._alarm.arm(deadline)

    def _run(self) -> float | None:
        raft, applier = self.raft, self.applier
        assert raft is not None
        now_s = self._now()
        self.lease_ends_at_s = -math.inf  # the turn may end the lease
        if self.proposals.has_batch and not self.is_paused:
            self._propose(raft, now_s)
        for _ in range(ROUNDS_MAX):
            self._has_news = False
            effects = raft.take_effects(now_s)
            self._carry_out(raft, effects)
            if applier.has_work:
                applier.run()
                raft.applied(applier.applied_index, self._now())
                # Else the rules have nothing to say about it before the next input.
                if self._reads.are_waiting or raft.commit_index > applier.committed_index:
                    self._has_news = True
            if not self._has_news:
                return effects.next_deadline
            if applier.has_work:
                break  # the slice was full
        self.wake()
        return effects.next_deadline

    def _propose(self, raft: Raft, now_s: float) -> None:
        commands, dones = self.proposals.take_batch()
        outcome = raft.propose(commands, now_s, self.proposals.term)
        if isinstance(outcome, Accepted):
            self.proposals.accepted(outcome.first_index, commands, dones, now_s)
        else:
            self.proposals.refuse(commands, dones, refusal_error(outcome, self.address))

    def _carry_out(self, raft: Raft, effects: Effects) -> None:
        if effects.role_changes:
            self._change_roles(effects)
        if effects.configuration is not None:
            self._set_peers()
        if effects.messages:
            self.peers.send(effects.messages)
        for write in effects.writes:
            self._storage.persist(write)
        if effects.restore is not None:
            self._restore(raft, effects.restore)
        if effects.committed:
            self.applier.hand(effects.committed)
        for ready in effects.reads_ready:
            self._reads.ready(ready)
        for failed in effects.reads_failed:
            refused = Refused(failed.reason, raft.leader_id)
            self._reads.failed(failed, refusal_error(refused, self.address))
        for ended in effects.transfers_ended:
            self.leadership.transfer_ended(ended)
        self._carry_out_snapshots(effects)

    def _carry_out_snapshots(self, effects: Effects) -> None:
        assert self._exchange is not None
        for read in effects.snapshot_reads:
            self._exchange.read(read, self.newest)
        for store in effects.snapshot_stores:
            self._exchange.store(store)
        if effects.snapshot_wanted:
            self.on_snapshot_wanted()

    def _change_roles(self, effects: Effects) -> None:
        proposals = self.proposals
        for change in effects.role_changes:
            was_leader = self.leadership.is_leader
            if change.role is Role.LEADER:
                proposals.refusal, proposals.term = None, change.term
            else:
                proposals.refusal = self._refusal
                if was_leader:
                    # Entries of the own term that come with this turn are committed, too.
                    own = [e.index for e in effects.committed if e.term == proposals.term]
                    committed_index = own[-1] if own else self.applier.committed_index
                    proposals.lose(committed_index, OutcomeUnknown())
                    self.applier.lose(committed_index, OutcomeUnknown())
            if self.leadership.is_leader:
                self.led_until_s = self._now()
            self.leadership.note(change)

    def _refusal(self) -> RaftError:
        raft = self.raft
        assert raft is not None
        leader_id = raft.leader_id
        if leader_id and leader_id != raft.server_id:
            return NotLeader(leader_id, self.address(leader_id))
        return NotMember() if self._addresses and not self.address(raft.server_id) else NoLeader()

    def _set_peers(self) -> None:
        raft = self.raft
        assert raft is not None
        members = raft.configuration.members()
        self._addresses = {server.id: server.address for server in members}
        own_id = raft.server_id
        self.peers.set_peers(
            {server.id: server.address for server in members if server.id != own_id}
        )

    def _restore(self, raft: Raft, meta: SnapshotMeta) -> None:
        with self._storage.snapshots.open_state(meta) as state:
            self.applier.restore(meta.index, meta.term, read_chunks(state))
        # Committed entries that still waited are part of it, but their results are not known.
        self.proposals.lose(0, OutcomeUnknown())
        self.newest = meta
        raft.applied(meta.index, self._now())
        self._has_news = True

    def _tick(self) -> None:
        if self.raft is not None and self._feed(self.raft.tick, wakes=False):
            self._turn()

    # --- outcomes of the exchange of snapshots ---

    def _snapshot_read(self, request: SnapshotRead, content: bytes) -> None:
        assert self.raft is not None
        self._feed(
            self.raft.snapshot_read, request.peer_id, request.snapshot_id, request.offset, content
        )

    def _snapshot_unreadable(self, snapshot_id: str) -> None:
        assert self.raft is not None
        self.is_snapshot_missed = True
        self._feed(self.raft.snapshot_unreadable, snapshot_id)

    def _snapshot_stored(self, store: SnapshotStore) -> None:
        assert self.raft is not None
        offset_next = store.offset + len(store.content)
        self._feed(self.raft.snapshot_stored, store.meta.id, offset_next)

    def _snapshot_store_failed(self, store: SnapshotStore) -> None:
        assert self.raft is not None
        self._feed(self.raft.snapshot_store_failed, store.meta.id)
