"""From what is on disk to the first state: snapshot, log, and an operator's word on the members.

The state machine gets the snapshot only. What follows it in the log is applied once consensus says
that it is committed, except after the loss of a quorum: ``peers.json`` names the members to go on
with. Then every entry is taken for committed, the result becomes a snapshot with the new
membership, one index further, and the log begins anew behind it, so that all servers take the
membership from there. Source: Consul's outage recovery guide.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from raft.core.membership import is_valid
from raft.core.types import Restart
from raft.entries import Configuration, Entry, HardState, Kind, Mark, SnapshotMeta
from raft.errors import Corrupt, StorageError
from raft.machine import StateMachine
from raft.snapshots import read_chunks
from raft.storage import Recovered, Storage

REPLAY_SLICE_ENTRIES: Final = 256  # replay lets the loop answer "starting" now and then
BOOTSTRAP_TERM: Final = 1  # of a cluster's first entry; elections begin with the next term
RECOVERED_CONFIGURATION_INDEX: Final = 1  # as if the cluster had been begun with it

_log = logging.getLogger("raft")


class Recovery:
    """One start of ``machine`` from ``storage``; ``wall_s`` gives Unix seconds."""

    def __init__(
        self, machine: StateMachine, storage: Storage, wall_s: Callable[[], float]
    ) -> None:
        self._machine = machine
        self._storage = storage
        self._wall_s = wall_s

    async def run(self, recovered: Recovered, trailing_count: int) -> Restart:
        """Restore the state machine; returns what the rules start from.

        ``trailing_count``: entries that the snapshot covers and that are read all the same. Raises
        ``StorageError`` for the operator to read.
        """
        snapshot = recovered.snapshot
        if snapshot is not None:
            with self._storage.snapshots.open_state(snapshot) as state:
                try:
                    self._machine.restore(read_chunks(state))
                except ValueError as error:
                    message = f"snapshot {snapshot.id} cannot be restored: {error}"
                    raise Corrupt(message) from error
        entries = await asyncio.to_thread(self._entries, recovered, trailing_count)
        if recovered.peers is not None:
            snapshot = await self._begin_anew(recovered, entries, recovered.peers)
            entries = ()
        hard_state = HardState() if is_fresh(recovered) else recovered.hard_state
        return Restart(hard_state=hard_state, snapshot=snapshot, entries=entries)

    def _entries(self, recovered: Recovered, trailing_count: int) -> Sequence[Entry]:
        # Segments go as a whole, so there may be far more on disk than is worth its memory.
        snapshot_index = recovered.snapshot.index if recovered.snapshot else 0
        first_index = max(recovered.first_index, snapshot_index + 1 - trailing_count)
        return list(self._storage.entries(first_index, recovered.last_index))

    async def _begin_anew(
        self, recovered: Recovered, entries: Sequence[Entry], peers: Configuration
    ) -> SnapshotMeta:
        if recovered.last_index == 0:
            message = "peers.json is for a server that has a log, and this one has none: delete it"
            raise StorageError(message)
        if not is_valid(peers.servers):
            message = "peers.json must name at least one voter, and no id twice"
            raise StorageError(message)
        snapshot_index = recovered.snapshot.index if recovered.snapshot else 0
        await self._replay([entry for entry in entries if entry.index > snapshot_index])
        term = max(recovered.last_term, 1)
        index = recovered.last_index + 1
        meta = SnapshotMeta(
            id=f"{term}-{index}-{int(self._wall_s() * 1000)}",
            index=index,
            term=term,
            configuration=peers,
            configuration_index=RECOVERED_CONFIGURATION_INDEX,
        )
        return await asyncio.to_thread(self._store, meta)

    async def _replay(self, entries: Sequence[Entry]) -> None:
        for count, entry in enumerate(entries, 1):
            if entry.kind is Kind.COMMAND:
                self._machine.apply(entry.index, entry.payload)
            if count % REPLAY_SLICE_ENTRIES == 0:
                await asyncio.sleep(0)

    def _store(self, meta: SnapshotMeta) -> SnapshotMeta:
        try:
            staged = self._storage.snapshots.stage(meta, self._machine.freeze()())
            staged.commit()
        except OSError as error:
            message = f"snapshot {meta.id} could not be written: {error}"
            raise StorageError(message) from error
        self._storage.restart(Mark(meta.index, meta.term))
        self._storage.forget_peers()
        _log.warning(
            "the members are now those of peers.json: %s", ", ".join(meta.configuration.voter_ids())
        )
        return staged.meta


def is_fresh(recovered: Recovered) -> bool:
    """Whether this server never had an entry nor a vote: it may begin a cluster, or join one.

    A crash in the first write of all may leave the term of the bootstrap, in which nobody votes,
    without its entry.
    """
    has_log = recovered.last_index > 0 or recovered.snapshot is not None
    hard_state = recovered.hard_state
    return not has_log and not hard_state.vote and hard_state.term <= BOOTSTRAP_TERM
