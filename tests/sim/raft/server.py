"""One server: a real ``Raft`` and the driver's part around it, on simulated time and disk.

Inputs pass through ``give``: a stopped process finds them in its buffers when it goes on, messages
first and timers last; one that is down never sees them. Every turn ends with ``take_effects``,
carried out in the order of the core's contract.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

import msgspec

from raft.core.node import Raft
from raft.core.types import (
    Accepted,
    Effects,
    Message,
    ReadFailed,
    ReadReady,
    Refused,
    Restart,
    Role,
)
from raft.entries import Configuration, Entry, HardState, SnapshotMeta
from tests.sim.raft.disk import Disk
from tests.sim.raft.machine import Machine, Result
from tests.sim.raft.snapshots import ServerSnapshots
from tests.sim.raft.wal_disk import WalDisk

if TYPE_CHECKING:
    from tests.sim.raft.world import World

STEP_AFTER_S: Final = 1e-6  # a deadline is met a moment later, never before
INBOX_MAX: Final = 5000  # inputs that a stopped process finds in its buffers


class Done(msgspec.Struct, frozen=True):
    """A proposal was executed."""

    index: int
    result: Result


class Lost(msgspec.Struct, frozen=True):
    """A proposal's place in the log went to another: it will never be executed."""


Answer = Callable[[Done | Lost | Refused], None]
ReadAnswer = Callable[[ReadReady | ReadFailed, Machine], None]


class SimServer:
    """A server that is started, stopped and crashed; only ``disk`` outlives its process."""

    def __init__(self, world: "World", name: str, rng: Random) -> None:
        self.world = world
        self.name = name
        self.rng = rng
        profile = world.profile
        self.rate = rng.uniform(1 - profile.clock_spread, 1 + profile.clock_spread)
        self.offset_s = rng.uniform(0, 1e5)
        disk_rng = Random(rng.random())
        self.disk = (
            Disk(disk_rng, world.after)
            if world.directory is None
            else WalDisk(disk_rng, world.after, world.directory / name)
        )
        self.disk.speed = profile.disk_speed
        self.core: Raft | None = None
        self.bootstrap: Configuration | None = None  # the first members, for a server with no log
        self.life = 0
        self.is_paused = False
        self.crash_point = ""  # where the process ends next, of profile.CRASH_POINTS
        self.machine = Machine()
        self._inbox: list[Callable[[Raft, float], object]] = []
        self.deadline: float | None = None  # on the own clock, as the last effects told
        self._wake_at_s = float("inf")
        self._is_turn_due = False
        self._to_apply: deque[Entry] = deque()
        self._is_applying = False
        self._proposals: dict[int, tuple[int, Answer]] = {}
        self._reads: dict[int, ReadAnswer] = {}
        self._read_count = 0
        self.snapshots = ServerSnapshots(self)

    # --- looking ---

    @property
    def running(self) -> Raft:
        """The process, which must be there."""
        assert self.core is not None
        return self.core

    @property
    def is_leader(self) -> bool:
        return self.core is not None and self.core.role is Role.LEADER

    def local_s(self) -> float:
        """What the server's clock shows."""
        return self.offset_s + self.world.now_s * self.rate

    # --- life ---

    def start(self) -> None:
        """Start the process on what the disk kept."""
        if self.core is not None:
            return
        self.world.tell(self.name, "starts")
        self.life += 1
        self.is_paused, self._inbox = False, []
        self.deadline, self._wake_at_s, self._is_turn_due = None, float("inf"), False
        self._to_apply, self._is_applying = deque(), False
        self.snapshots = ServerSnapshots(self)
        self._proposals, self._reads = {}, {}
        self.disk.persisted = self._on_persisted
        self.disk.failed = self._on_disk_failed
        restart = self.disk.recover()
        is_fresh = _is_fresh(restart)
        if is_fresh:
            restart = msgspec.structs.replace(restart, hard_state=HardState())
        self.machine = Machine()
        if restart.snapshot is not None:
            self.snapshots.fill_machine(restart.snapshot)
        self.world.checkers.on_start(self, restart)
        self.core = Raft(
            self.name,
            self.world.profile.settings,
            Random(self.rng.getrandbits(32)),
            self.local_s(),
            restart,
        )
        if is_fresh and self.bootstrap is not None:
            self.core.bootstrap(self.bootstrap, self.local_s())
        self._turn()

    def crash(self) -> None:
        """End the process without a word."""
        if self.core is None:
            return
        self.world.tell(self.name, "crashes")
        self.core = None
        self.life += 1
        self.disk.crash()

    def reach(self, point: str) -> bool:
        """The process is at a point where a crash is of interest; whether it ended there."""
        if self.crash_point != point:
            return False
        self.crash_point = ""
        self.world.tell(self.name, "is at", point)
        self.crash()
        self.world.after(self.rng.uniform(0, 0.1), self.start)
        return True

    def pause(self) -> None:
        """Stop the process as SIGSTOP does."""
        self.world.tell(self.name, "pauses")
        self.is_paused = True

    def resume(self) -> None:
        """Let a stopped process go on with what waits in its buffers."""
        if not self.is_paused or self.core is None:
            return
        self.world.tell(self.name, "resumes")
        self.is_paused = False
        inbox, self._inbox = self._inbox, []
        for action in inbox:
            self.give(action)
        self.give(lambda core, now: core.tick(now))

    def heal(self) -> None:
        """Disk, process and all work again."""
        self.crash_point = ""
        self.disk.heal()
        self.resume()
        self.start()

    # --- inputs ---

    def give(self, action: Callable[[Raft, float], object]) -> None:
        """One input, for this life of the process."""
        if self.core is None:
            return
        if self.is_paused:
            if len(self._inbox) < INBOX_MAX:
                self._inbox.append(action)
            return
        action(self.core, self.local_s())
        turn_s = self.world.profile.turn_s
        if not turn_s:
            self._turn()
        elif not self._is_turn_due:
            self._is_turn_due = True
            life = self.life
            self.world.after(self.rng.uniform(0, turn_s), lambda: self._late_turn(life))

    def receive(self, source: str, message: Message) -> None:
        """A message arrives."""
        if self.core is not None:
            self.world.tell(source, ">", self.name, message)
            self.give(lambda core, now: core.step(source, message, now))

    def propose(self, payload: bytes, answer: Answer, term: int = 0) -> None:
        """Ask for a command to be executed; ``answer`` is called at most once."""

        def act(core: Raft, now: float) -> None:
            taken = core.propose([payload], now, term)
            self.world.tell(self.name, "propose", taken)
            self.world.checkers.on_proposed(self, payload, taken)
            if isinstance(taken, Accepted):
                self._proposals[taken.first_index] = (taken.term, answer)
            else:
                answer(taken)

        self.give(act)

    def transfer(self, target_id: str | None) -> None:
        """Ask for leadership to be handed over."""

        def act(core: Raft, now: float) -> None:
            taken = core.transfer(target_id, now)
            self.world.tell(self.name, "transfer", target_id, taken)
            if isinstance(taken, str):
                self.world.checkers.on_transfer(self, taken)

        self.give(act)

    def read(self, answer: ReadAnswer, *, lease_allowed: bool) -> None:
        """Ask for a moment at which the machine is new enough."""

        def act(core: Raft, now: float) -> None:
            self._read_count += 1
            self._reads[self._read_count] = answer
            core.read(self._read_count, now, lease_allowed=lease_allowed)

        self.give(act)

    # --- the turn ---

    def _late_turn(self, life: int) -> None:
        if life == self.life and self.core is not None:
            self._is_turn_due = False
            if not self.is_paused:
                self._turn()

    def _turn(self) -> None:
        """End a turn; applying is an input again, so another one may follow."""
        core = self.core
        is_more = True
        while is_more and core is not None and core is self.core:
            now = self.local_s()
            effects = core.take_effects(now)
            self._carry_out(core, effects)
            if core is not self.core:
                return  # it crashed
            self.world.checkers.after_turn(self)
            applied_index = self.machine.applied_index
            is_more = not self.world.profile.apply_s and applied_index > core.applied_index
            if is_more and not self.reach("entries applied, not reported"):
                core.applied(applied_index, now)

    def _carry_out(self, core: Raft, effects: Effects) -> None:
        world = self.world
        checkers = world.checkers
        for change in effects.role_changes:
            world.tell(self.name, change.role.value, change.term, change.leader_id)
        checkers.on_effects(self, effects)
        for write in effects.writes:
            self.disk.persist(write)
        if effects.writes and self.reach("writes handed to storage"):
            return
        for outgoing in effects.messages:
            world.send(self.name, outgoing.peer_id, outgoing.message)
        if effects.messages and self.reach("messages sent"):
            return
        if effects.restore is not None:
            self._restore(effects.restore)
        self._to_apply.extend(effects.committed)
        checkers.on_load(self, self._to_apply, len(self._reads))
        self._apply(core)
        for ready in effects.reads_ready:
            self._reads.pop(ready.token)(ready, self.machine)
        for failed in effects.reads_failed:
            self._reads.pop(failed.token)(failed, self.machine)
        for request in effects.snapshot_reads:
            self.snapshots.read(request)
        for chunk in effects.snapshot_stores:
            self.snapshots.store(chunk)
        if effects.snapshot_wanted:
            self.snapshots.take()
        self._arm(effects.next_deadline)

    def _arm(self, deadline: float | None) -> None:
        self.deadline = deadline
        if deadline is None:
            return
        world = self.world
        at_s = max(world.now_s, (deadline - self.offset_s) / self.rate) + STEP_AFTER_S
        if at_s < self._wake_at_s:
            self._wake_at_s = at_s
            life = self.life
            world.after(at_s - world.now_s, lambda: self._wake(life, at_s))

    def _wake(self, life: int, at_s: float) -> None:
        if life != self.life or self._wake_at_s != at_s:
            return
        self._wake_at_s = float("inf")
        if not self.is_paused:  # else ``resume`` ticks, after the messages
            self.give(lambda core, now: core.tick(now))
            self.world.checkers.after_tick(self)

    # --- applying ---

    def _apply(self, core: Raft) -> None:
        """Apply what is committed: now, or slowly, an entry at a time."""
        apply_s = self.world.profile.apply_s
        if not apply_s:
            while self._to_apply:
                self._apply_one()
        elif self._to_apply and not self._is_applying:
            self._is_applying = True
            life = self.life
            self.world.after(self.rng.uniform(0, apply_s), lambda: self._apply_slowly(life, core))

    def _apply_slowly(self, life: int, core: Raft) -> None:
        if life != self.life:
            return

        def act(core: Raft, now: float) -> None:
            self._is_applying = False
            for _ in range(min(len(self._to_apply), self.rng.randint(1, 4))):
                self._apply_one()
            if self.machine.applied_index > core.applied_index:
                core.applied(self.machine.applied_index, now)

        self.give(act)
        if not self.is_paused:
            self._apply(core)

    def _apply_one(self) -> None:
        entry = self._to_apply.popleft()
        result = self.machine.apply(entry)
        self.world.checkers.on_applied(self, entry)
        proposal = self._proposals.pop(entry.index, None)
        if proposal is not None:
            term, answer = proposal
            answer(Done(entry.index, result) if term == entry.term else Lost())

    def _restore(self, meta: SnapshotMeta) -> None:
        self.world.tell(self.name, "restores", meta.id)
        before = self.machine.applied_index
        self.snapshots.fill_machine(meta)
        assert self.machine.applied_index > before, "a restore went back"
        self._to_apply.clear()
        for index in [index for index in self._proposals if index <= meta.index]:
            del self._proposals[index]  # done or lost: only the snapshot knows
        if self.world.profile.apply_s:
            self.snapshots.later(
                self.world.profile.apply_s,
                lambda core, now: (
                    core.applied(meta.index, now) if core.applied_index < meta.index else None
                ),
            )

    # --- the disk speaks ---

    def _on_persisted(self, sequence: int) -> None:
        if not self.reach("round durable, not reported"):
            self.give(lambda core, now: core.persisted(sequence, now))

    def _on_disk_failed(self) -> None:
        self.world.tell(self.name, "cannot write")
        self.crash()


def _is_fresh(restart: Restart) -> bool:
    """Whether a first start is to be made, perhaps again, as its one write may have been torn.

    The same rule as ``raft.recovery``: term 1 exists only in a bootstrap, and nobody votes in it.
    """
    state = restart.hard_state
    has_log = bool(restart.entries) or restart.snapshot is not None
    return not has_log and not state.vote and state.term <= 1
