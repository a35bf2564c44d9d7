"""Several cores and a network moved by hand, so that a test reads like the conversation.

Nothing happens by itself: ``deliver`` lets messages through, ``persist`` lets disks finish and
``wait`` lets time pass; ``settle`` goes on until nothing is left. Each server applies entries to a
list. After every step the invariants are checked, over all servers, too.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TypeVar

import msgspec

from raft.core.node import Raft
from raft.core.settings import Settings
from raft.core.types import (
    Accepted,
    Effects,
    Message,
    ReadFailed,
    ReadReady,
    Restart,
    Role,
    RoleChange,
    TransferEnded,
)
from raft.entries import (
    Configuration,
    Entry,
    HardState,
    Kind,
    Server,
    SnapshotMeta,
    Write,
)

T = TypeVar("T")
SETTLE_STEPS_MAX = 20_000  # a conversation of a few servers that is longer than this never ends


class Dice:
    """Chance: the same for each run, or always ``value`` when a test sets it."""

    def __init__(self, seed: str) -> None:
        self.value: float | None = None
        self._random = Random(seed)

    def random(self) -> float:
        return self._random.random() if self.value is None else self.value


class Disk:
    """What a crash leaves: the log, term and vote, the newest snapshot and its state."""

    def __init__(self) -> None:
        self.hard_state = HardState()
        self.entries: list[Entry] = []
        self.snapshot: SnapshotMeta | None = None
        self.snapshots: dict[str, tuple[SnapshotMeta, bytes]] = {}
        self.mark_index = 0

    def do(self, write: Write) -> None:
        mark = write.mark
        if mark is not None:
            agrees = any((e.index, e.term) == (mark.index, mark.term) for e in self.entries)
            if not agrees and mark.index >= self.mark_index:
                self.entries.clear()
            self.mark_index = max(self.mark_index, mark.index)
            for meta, _ in self.snapshots.values():
                if meta.index == mark.index:
                    self.snapshot = meta
        if write.hard_state is not None:
            self.hard_state = write.hard_state
        if write.truncate_to is not None:
            self.entries = [e for e in self.entries if e.index <= write.truncate_to]
        for entry in write.entries:
            last_index = self.entries[-1].index if self.entries else self.mark_index
            assert entry.index == last_index + 1, (entry, last_index)
            self.entries.append(entry)
        self.entries = [e for e in self.entries if e.index >= write.release_before]

    def restart(self) -> Restart:
        return Restart(
            hard_state=self.hard_state, snapshot=self.snapshot, entries=list(self.entries)
        )


class Host:
    """One server: its core, disk and state machine, and what came out of it."""

    def __init__(self, server_id: str, settings: Settings, now: float, disk: Disk) -> None:
        self.server_id = server_id
        self.settings = settings
        self.disk = disk
        self.dice = Dice(server_id)
        self.start(now)

    def start(self, now: float) -> None:
        self.raft = Raft(self.server_id, self.settings, self.dice, now, self.disk.restart())
        self.pending: deque[Write] = deque()
        self.incoming = b""
        self.state: list[Entry] = []
        if self.disk.snapshot is not None:
            self.restore(self.disk.snapshot)
        self.applied_at_once = True
        self.ready: list[ReadReady] = []
        self.failed: list[ReadFailed] = []
        self.roles: list[RoleChange] = []
        self.transfers: list[TransferEnded] = []
        self.snapshots_wanted = 0
        self.deadline: float | None = None

    def restore(self, meta: SnapshotMeta) -> None:
        packed = self.disk.snapshots[meta.id][1]
        self.state = msgspec.msgpack.decode(packed, type=list[Entry])

    @property
    def payloads(self) -> list[bytes]:
        """The commands that its state machine has executed."""
        return [entry.payload for entry in self.state if entry.kind is Kind.COMMAND]


class Cluster:
    """Servers by id; ``network`` holds (sender, receiver, message) in order of sending."""

    def __init__(
        self,
        voters: Iterable[str] = "abc",
        *,
        learners: Iterable[str] = (),
        settings: Settings | None = None,
        notice_delay_s: float = 0.0,  # time stands still in a conversation, so nothing waits
        bootstrap: bool = True,
    ) -> None:
        self.now = 1000.0
        self.settings = msgspec.structs.replace(
            settings or Settings(), commit_notice_delay_s=notice_delay_s
        )
        self.network: deque[tuple[str, str, Message]] = deque()
        self.cut: set[tuple[str, str]] = set()
        self.heard: list[tuple[str, str, Message]] = []
        self.hosts: dict[str, Host] = {}
        self.down: set[str] = set()
        self.hung_disks: set[str] = set()
        self.leaders: dict[int, str] = {}
        self.committed: dict[int, Entry] = {}
        members = [Server(0, voter, f"{voter}:1") for voter in voters]
        members += [Server(1, learner, f"{learner}:1") for learner in learners]
        self.configuration = Configuration(tuple(sorted(members, key=lambda s: s.id)))
        for server in members:
            self.add(server.id)
            if bootstrap:
                self[server.id].bootstrap(self.configuration, self.now)
        if bootstrap:
            self.flush()
            self.persist()

    def __getitem__(self, server_id: str) -> Raft:
        return self.hosts[server_id].raft

    def add(self, server_id: str) -> Host:
        """A server with an empty log."""
        self.hosts[server_id] = Host(server_id, self.settings, self.now, Disk())
        return self.hosts[server_id]

    def with_log(self, server_id: str, terms: Sequence[int], *, term: int = 0) -> None:
        """Restart a server with a log of these terms behind the first configuration."""
        disk = self.hosts[server_id].disk
        kept = disk.entries[:1]
        disk.entries = kept + [
            Entry(index, entry_term, Kind.COMMAND, b"%d.%d" % (index, entry_term))
            for index, entry_term in enumerate(terms, 2)
        ]
        newest = max([term, *terms, 1])
        disk.hard_state = HardState(newest, "", 0)
        self.hosts[server_id].start(self.now)

    # --- moving things ---

    def flush(self, *server_ids: str) -> None:
        """End the turn of these servers (all): what comes out goes to network and disk."""
        for server_id in server_ids or tuple(self.hosts):
            if server_id not in self.down:
                self._carry_out(self.hosts[server_id])
        self.check()

    def _carry_out(self, host: Host) -> None:
        effects = host.raft.take_effects(self.now)
        host.deadline = effects.next_deadline
        host.pending.extend(effects.writes)
        for outgoing in effects.messages:
            self.network.append((host.server_id, outgoing.peer_id, outgoing.message))
        if effects.restore is not None:
            host.restore(effects.restore)
            host.raft.applied(effects.restore.index, self.now)
        self._apply(host, effects)
        host.ready += effects.reads_ready
        host.failed += effects.reads_failed
        host.roles += effects.role_changes
        host.transfers += effects.transfers_ended
        host.snapshots_wanted += effects.snapshot_wanted
        self._move_snapshots(host, effects)

    def _apply(self, host: Host, effects: Effects) -> None:
        for entry in effects.committed:
            assert self.committed.setdefault(entry.index, entry) == entry, "state machines differ"
            assert entry.index == (host.state[-1].index if host.state else 0) + 1
            host.state.append(entry)
        if effects.committed and host.applied_at_once:
            host.raft.applied(effects.committed[-1].index, self.now)

    def _move_snapshots(self, host: Host, effects: Effects) -> None:
        for read in effects.snapshot_reads:
            if read.snapshot_id not in host.disk.snapshots:
                host.raft.snapshot_unreadable(read.snapshot_id, self.now)
                continue
            content = host.disk.snapshots[read.snapshot_id][1]
            chunk = content[read.offset : read.offset + read.bytes_max]
            host.raft.snapshot_read(read.peer_id, read.snapshot_id, read.offset, chunk, self.now)
        for store in effects.snapshot_stores:
            assert store.offset in (0, len(host.incoming))
            host.incoming = host.incoming[: store.offset] + store.content
            if store.is_last:
                host.disk.snapshots[store.meta.id] = (store.meta, host.incoming)
            host.raft.snapshot_stored(store.meta.id, len(host.incoming), self.now)

    def persist(self, *server_ids: str, count: int | None = None) -> None:
        """The disks of these servers (all) finish ``count`` writes (all)."""
        for server_id in server_ids or tuple(self.hosts):
            host = self.hosts[server_id]
            if server_id in self.down or server_id in self.hung_disks:
                continue
            done = 0
            while host.pending and (count is None or done < count):
                write = host.pending.popleft()
                host.disk.do(write)
                host.raft.persisted(write.sequence, self.now)
                done += 1
            if done:
                self.flush(server_id)

    def deliver(
        self, matching: Callable[[str, str, Message], bool] | None = None, *, count: int = 1_000_000
    ) -> int:
        """Deliver messages now on the network; those not ``matching`` stay. Returns how many."""
        arrived, kept = 0, deque[tuple[str, str, Message]]()
        waiting, self.network = self.network, deque()
        receivers: list[str] = []
        for sender, receiver, message in waiting:
            if arrived >= count or (matching and not matching(sender, receiver, message)):
                kept.append((sender, receiver, message))
                continue
            arrived += 1
            if (sender, receiver) in self.cut or receiver in self.down or sender in self.down:
                continue
            if receiver in self.hosts:
                self.heard.append((sender, receiver, message))
                self.hosts[receiver].raft.step(sender, message, self.now)
                receivers.append(receiver)
        self.network.extendleft(reversed(kept))
        for receiver in dict.fromkeys(receivers):
            self.flush(receiver)
        return arrived

    def drop(self, matching: Callable[[str, str, Message], bool] | None = None) -> int:
        """Lose messages now on the network. Returns how many."""
        before = len(self.network)
        self.network = deque(m for m in self.network if matching and not matching(*m))
        return before - len(self.network)

    def settle_but(self, kind: type[object]) -> None:
        """Deliver and persist until nothing moves but messages of this kind, which stay."""
        for _ in range(SETTLE_STEPS_MAX):
            self.flush()
            self.persist()
            if not self.deliver(lambda _s, _r, m: not isinstance(m, kind)):
                return
        raise AssertionError("the conversation does not end")

    def settle(self) -> None:
        """Deliver and persist until nothing moves."""
        for _ in range(SETTLE_STEPS_MAX):
            self.flush()
            self.persist()
            idle = [s for s, h in self.hosts.items() if h.pending and s not in self.hung_disks]
            if not self.deliver() and not [s for s in idle if s not in self.down]:
                return
        raise AssertionError("the conversation does not end")

    def tick(self, *server_ids: str) -> None:
        """Let these servers (all) look at the time."""
        for server_id in server_ids or tuple(self.hosts):
            if server_id not in self.down:
                self[server_id].tick(self.now)
        self.flush(*server_ids)

    def wait(self, duration_s: float, *, step_s: float = 0.05) -> None:
        """Let time pass for everybody, with everything delivered and persisted."""
        end = self.now + duration_s
        while self.now < end - 1e-9:
            self.now = min(self.now + step_s, end)
            self.tick()
            self.settle()

    # --- faults ---

    def isolate(self, *server_ids: str) -> None:
        """Cut these servers off from all others, and from each other."""
        for one in server_ids:
            for other in self.hosts:
                if one != other:
                    self.cut |= {(one, other), (other, one)}

    def heal(self) -> None:
        """The network is whole again."""
        self.cut.clear()

    def crash(self, server_id: str) -> None:
        """Stop a server; what its disk had not finished is lost."""
        self.down.add(server_id)

    def restart(self, server_id: str) -> None:
        """Start a server from what its disk holds."""
        self.down.discard(server_id)
        self.hung_disks.discard(server_id)
        self.hosts[server_id].start(self.now)
        self.flush(server_id)

    # --- what tests ask for ---

    def elect(self, server_id: str) -> Raft:
        """Make this server the leader: all forget the last one, and only it looks at the time."""
        self.now += 2 * self.settings.election_timeout_s
        self.tick(server_id)
        self.settle()
        assert self[server_id].role is Role.LEADER, f"{server_id} was not elected"
        return self[server_id]

    def leader(self) -> Raft:
        """The one server that leads, of those that are up."""
        up = [host.raft for server_id, host in self.hosts.items() if server_id not in self.down]
        (leader,) = [raft for raft in up if raft.role is Role.LEADER]
        return leader

    def propose(self, server_id: str, *payloads: bytes) -> Accepted:
        """Propose, and expect to be accepted; nothing is flushed."""
        answer = self[server_id].propose(payloads, self.now)
        assert isinstance(answer, Accepted), answer
        return answer

    def compact(self, server_id: str) -> SnapshotMeta:
        """Take a snapshot of the applied state and make it durable."""
        host = self.hosts[server_id]
        index = host.raft.applied_index
        configuration, configuration_index = host.raft.configuration_at(index)
        state = msgspec.msgpack.encode(host.state)
        meta = SnapshotMeta(
            id=f"{host.state[-1].term}-{index}-{server_id}",
            index=index,
            term=host.state[-1].term,
            configuration=configuration,
            configuration_index=configuration_index,
            size_bytes=len(state),
        )
        host.disk.snapshots[meta.id] = (meta, state)
        host.raft.snapshot_made(meta, self.now)
        self.flush(server_id)
        self.persist(server_id)
        return meta

    def sent(self, kind: type[T], *, to: str = "", by: str = "") -> list[T]:
        """Messages of a kind that are on the network, in order."""
        matches = of(kind, to=to, by=by)
        return [m for s, r, m in self.network if isinstance(m, kind) and matches(s, r, m)]

    def say(self, sender: str, receiver: str, message: Message) -> None:
        """Let a server hear this, as if ``sender`` had said it, and end its turn."""
        self[receiver].step(sender, message, self.now)
        self.flush(receiver)

    def check(self) -> None:
        """Rules over all servers: one leader a term, and each one's own invariants."""
        for server_id, host in self.hosts.items():
            if server_id in self.down:
                continue
            host.raft.invariant_check()
            if host.raft.role is Role.LEADER:
                known = self.leaders.setdefault(host.raft.term, server_id)
                assert known == server_id, "two leaders in one term"


def of(kind: type[T], *, to: str = "", by: str = "") -> Callable[[str, str, Message], bool]:
    """Matches messages of a kind, to and by some server."""

    def matches(sender: str, receiver: str, message: Message) -> bool:
        return isinstance(message, kind) and to in ("", receiver) and by in ("", sender)

    return matches
