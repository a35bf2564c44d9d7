"""The driver: one server's replicated log, as the agent uses it.

Life: ``start`` recovers; ``bootstrap`` begins a cluster, or the first leader that is met makes this
server a part of its own; ``stop`` drains. A server that is alone is a cluster of one: the same
rules, and it leads when ``start`` returns. The turn of the loop is in ``raft.engine``, the path of
a proposal in ``raft.proposals``; this file is about life, membership, leadership and archives.
"""

import asyncio
import enum
import logging
from collections.abc import Callable, Sequence
from typing import IO, Final

import msgspec

from raft.compaction import Compaction
from raft.core.node import Raft
from raft.core.types import Message, Refused
from raft.engine import Engine
from raft.entries import (
    Configuration,
    Server,
    SnapshotMeta,
    cluster_id,
    encode_configuration,
)
from raft.errors import MembershipBusy, MembershipRefused, RaftError, Stopped, StorageError
from raft.leadership import LeadershipChange
from raft.machine import Done, Peers, Settings, StateMachine, Surroundings
from raft.reads import ReadDone, into_future
from raft.recovery import Recovery, is_fresh
from raft.refusals import refusal_error
from raft.restoration import Restoration, unpack
from raft.storage import Reports, Storage
from raft.view import View

STOP_DRAIN_S: Final = 5.0  # without a quorum the last proposals would never end

_log = logging.getLogger("raft")


class Phase(enum.Enum):
    """Where in its life the driver is."""

    NEW = enum.auto()
    WAITING = enum.auto()  # without a cluster: for a bootstrap, or a leader
    JOINING = enum.auto()
    RUNNING = enum.auto()
    STOPPED = enum.auto()


class Driver(View):
    """Drives ``machine`` by the log in ``storage`` as ``server`` (id and address)."""

    def __init__(
        self,
        machine: StateMachine,
        storage: Storage,
        server: Server,
        settings: Settings,
        surroundings: Surroundings,
    ) -> None:
        self._machine = machine
        self._storage = storage
        self._server = server
        self._settings = settings
        self._surroundings = surroundings
        engine = Engine(machine, storage, surroundings)
        super().__init__(engine, surroundings.monotonic_s)
        self._compaction = Compaction(machine, storage, engine, settings, surroundings)
        self._restoration = Restoration(machine, storage, engine, self._compaction, surroundings)
        self._phase = Phase.NEW
        self.submit = engine.proposals.submit
        """See ``Proposals.submit``; bound here to spare the hot path a call."""

    # --- life ---

    def connect(self, peers: Peers) -> None:
        """Reach the others by ``peers``; before ``start``. Give it ``receive`` and the like."""
        assert self._phase is Phase.NEW
        self._engine.peers = peers

    async def start(self, bootstrap: Configuration | None = None) -> None:
        """Recover; raises ``StorageError`` for the operator to read.

        With an empty log, begin the cluster of ``bootstrap``, which every member begins alike, or
        else wait for ``bootstrap`` or for a leader. Who is the only voter leads on return.
        """
        assert self._phase is Phase.NEW
        recovered = await asyncio.to_thread(self._storage.open)
        try:
            wall_s = self._surroundings.wall_s
            recovery = Recovery(self._machine, self._storage, wall_s)
            restart = await recovery.run(recovered, self._settings.trailing_logs)
            self._engine.recovered(restart.snapshot)
            settings = self._compaction.core_settings()
            self._raft = Raft(self._server.id, settings, self._surroundings, self._now(), restart)
            self._phase = Phase.WAITING
            if not is_fresh(recovered):
                self._run(recovered.cluster_id)
            elif bootstrap is not None:
                await self.bootstrap(bootstrap)
            await self._lead_alone()
        except BaseException:
            self._phase = Phase.STOPPED
            await self._close(Stopped("the log did not start"))
            raise

    async def bootstrap(self, configuration: Configuration) -> bool:
        """Begin a cluster, unless this server has a log already or met a leader meanwhile.

        Returns whether it did. Raises ``MembershipRefused`` when this server is not to vote in it.
        """
        if self._phase is not Phase.WAITING:
            return False
        if self._server.id not in configuration.voter_ids():
            message = "a server begins only a cluster in which it is a voter"
            raise MembershipRefused(message)
        self._phase = Phase.JOINING
        wanted = cluster_id(encode_configuration(configuration))
        await asyncio.to_thread(self._storage.begin, wanted)
        self._raft.bootstrap(configuration, self._now())
        self._run(wanted)
        return True

    def cluster_met(self, met: bytes) -> None:
        """A server of a cluster speaks to this one: be of its cluster, if of none so far."""
        if self._phase is Phase.WAITING:
            self._phase = Phase.JOINING
            self._surroundings.start_task("raft.join", self._join(met))

    async def stop(self) -> None:
        """Refuse new proposals, finish the taken ones, close. Idempotent."""
        if self._phase in (Phase.NEW, Phase.STOPPED):
            return
        was_running = self._phase is Phase.RUNNING
        self._phase = Phase.STOPPED
        stopped = Stopped("the log is stopping")
        self._engine.proposals.refusal = lambda: stopped
        if was_running:
            await self._drain()
        await self._close(stopped)

    def reconfigure(self, settings: Settings) -> None:
        """Use other settings from now on; called on the loop, before or after ``start``."""
        self._settings = settings
        self._compaction.reconfigure(settings)

    def receive(self, peer_id: str, message: Message) -> None:
        """A message came from another server."""
        self._engine.receive(peer_id, message)

    def peer_unreachable(self, peer_id: str) -> None:
        """Messages to a peer were lost."""
        self._engine.peer_unreachable(peer_id)

    # --- proposals and reads ---

    async def propose(self, command: bytes, term: int = 0) -> tuple[int, object]:
        """Submit and wait: (index, result). Raises ``Refused`` or ``OutcomeUnknown``."""
        answer: asyncio.Future[tuple[int, object]] = asyncio.get_running_loop().create_future()
        self.submit(command, _settle(answer), term)
        return await answer

    def read(self, done: ReadDone, *, lease_allowed: bool = True) -> None:
        """Tell ``done(index, error)`` once the own state is at least as new as now.

        ``lease_allowed``: trust clocks instead of asking a quorum. Raises ``Refused``.
        """
        self._engine.read(done, lease_allowed=lease_allowed)

    async def read_index(self, *, lease_allowed: bool = True) -> int:
        """``read`` for coroutines; raises ``Refused``."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._engine.read(into_future(answer), lease_allowed=lease_allowed)
        return await answer

    async def barrier(self) -> int:
        """Wait until everything submitted so far is applied, at a server that still leads then.

        Returns the applied index; raises ``Refused`` or ``OutcomeUnknown``.
        """
        self._require_leader()
        await self._engine.drained()
        await self.read_index(lease_allowed=False)
        return self.applied_index

    # --- leadership and membership ---

    def on_leadership(self, listener: Callable[[LeadershipChange], None]) -> None:
        """Call ``listener`` on the loop each time that this server begins or ends to lead."""
        self._engine.leadership.subscribe(listener)

    async def transfer(self, target_id: str | None = None) -> str:
        """Hand the leadership over (None: to the best voter) and wait; returns to whom.

        Raises ``Refused`` or ``TransferFailed``.
        """
        target = self._engine.running().transfer(target_id, self._now())
        if isinstance(target, Refused):
            raise refusal_error(target, self._engine.address)
        self._engine.wake()
        await self._engine.leadership.transferred(target)
        return target

    async def propose_configuration(
        self, servers: Sequence[Server], previous_index: int = 0
    ) -> int:
        """Change the members, if the configuration is still ``previous_index`` (0: any); waits.

        Returns the index of the change. Raises ``Refused`` or ``OutcomeUnknown``.
        """
        raft = self._engine.running()
        if self._engine.is_paused:
            raise MembershipBusy("the state is being restored")
        accepted = raft.propose_configuration(servers, self._now(), previous_index)
        if isinstance(accepted, Refused):
            raise refusal_error(accepted, self._engine.address)
        return await self._applied(accepted.first_index)

    # --- snapshots ---

    async def snapshot(self) -> SnapshotMeta:
        """Snapshot the applied state; the newest one when nothing changed since.

        Raises ``SnapshotFailed`` (disk full and the like); the log then stays as it was.
        """
        async with self._compaction.lock:
            return await self._compaction.take()

    async def save_archive(self) -> tuple[IO[bytes], SnapshotMeta]:
        """A fresh snapshot as an archive file at its start (the caller closes it), and its meta."""
        return await self._compaction.pack()

    async def restore_archive(self, packed: bytes) -> None:
        """Replace the whole state by an archive's; the index goes up and the membership stays.

        Proposals submitted meanwhile wait and apply to the new state. Raises ``BadArchive`` or
        ``SnapshotFailed`` before anything has changed, ``OutcomeUnknown`` when the leadership was
        lost meanwhile.
        """
        self._require_leader()
        archive = await asyncio.to_thread(unpack, packed)
        with archive.state:
            async with self._compaction.lock:
                self._require_leader()
                no_op_index = await self._restoration.install(archive)
        await self._applied(no_op_index)

    # --- inside ---

    def _run(self, own_cluster_id: bytes) -> None:
        """Take part in the cluster."""
        self._cluster_id = own_cluster_id
        engine = self._engine
        engine.peers.adopt(own_cluster_id)
        on_fatal = self._surroundings.on_fatal
        self._storage.start(Reports(engine.persisted, engine.failed, on_fatal))
        self._phase = Phase.RUNNING
        engine.begin(self._raft)
        self._compaction.begin()

    async def _join(self, met: bytes) -> None:
        try:
            await asyncio.to_thread(self._storage.begin, met)
        except StorageError as error:
            _log.error("the cluster cannot be joined yet: %s", error)
            self._phase = Phase.WAITING  # until it speaks again
        if self._phase is Phase.JOINING:  # not stopped meanwhile
            self._run(met)

    async def _lead_alone(self) -> None:
        """A quorum of one leads at once; its address is the present one."""
        raft, own = self._raft, self._server
        configuration = raft.configuration
        if configuration.voter_ids() != (own.id,) or configuration.is_joint:
            return
        await self._engine.leadership.begun()
        await self._engine.drained()
        wanted = tuple(
            msgspec.structs.replace(server, address=own.address) if server.id == own.id else server
            for server in configuration.servers
        )
        if wanted != configuration.servers:
            await self.propose_configuration(wanted)

    async def _close(self, reason: Stopped) -> None:
        self._compaction.end()
        self._engine.end(reason)
        await self._engine.close()
        await asyncio.to_thread(self._storage.close)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(STOP_DRAIN_S), self._compaction.lock:
                if self.is_leader:
                    await self._engine.drained()
        except TimeoutError:
            _log.warning("stopped without a quorum: the last proposals may be lost")
        except RaftError as error:
            _log.error("stopped before everything was written: %s", error)

    async def _applied(self, index: int) -> int:
        """Wait for an entry of this server's leadership that is no command."""
        if self.applied_index >= index:
            return index
        answer: asyncio.Future[tuple[int, object]] = asyncio.get_running_loop().create_future()
        self._engine.expect(index, _settle(answer))
        applied_index, _ = await answer
        return applied_index

    def _require_leader(self) -> None:
        if self._engine.proposals.refusal is not None:
            raise self._engine.proposals.refusal()


def _settle(answer: asyncio.Future[tuple[int, object]]) -> Done:
    """A callback that settles a future, whose owner may have gone away."""

    def done(index: int, result: object) -> None:
        if answer.done():
            return
        if isinstance(result, RaftError):
            answer.set_exception(result)
        else:
            answer.set_result((index, result))

    return done
