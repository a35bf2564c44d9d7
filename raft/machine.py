"""What the driver needs of others: a state machine to drive, and the surroundings it runs in."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from typing_extensions import override

from raft.core.settings import Settings as CoreSettings
from raft.core.types import Outgoing
from raft.writer import exit_process

ELECTION_TIMEOUT_S: Final = 1.0  # Consul's HeartbeatTimeout at raft_multiplier 1

SNAPSHOT_THRESHOLD: Final = 16_384  # entries; Consul's raft_snapshot_threshold
SNAPSHOT_INTERVAL_S: Final = 30.0  # Consul's raft_snapshot_interval
TRAILING_LOGS: Final = 10_240  # entries; Consul's raft_trailing_logs
LOG_BYTES_MIN: Final = 64 * 1024 * 1024  # entries in memory beyond which a snapshot is taken
LOG_BYTES_MAX: Final = 512 * 1024 * 1024  # the same for the largest states
LOG_COUNT_MIN: Final = 65_536  # entries beyond which a snapshot is not put off to the next look
LOG_THRESHOLDS: Final = 4  # or so many times the threshold, if that is more
ENTRY_BYTES: Final = 256  # what a small entry takes in memory, more or less
MEMORY_TRAILING_LOGS: Final = 1024  # entries of -dev: nobody's outage has to be bridged
MEMORY_LOG_BYTES: Final = 1024 * 1024  # entries of -dev beyond which the oldest are let go

# (index, result) of an applied command; (0, RaftError) when it was refused later or may be lost.
Done = Callable[[int, object], None]


class StateMachine(Protocol):
    """What the log is for. All but the frozen callable run on the loop thread."""

    def apply(self, index: int, command: bytes, /) -> object:
        """Execute a command: deterministic, never raises (a refusal is a returned value)."""

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        """Hold the present state, cheaply; the callable yields it in chunks, in a worker thread."""

    def restore(self, chunks: Iterator[bytes], /) -> None:
        """Replace the state; raises ``ValueError`` before it changed anything if it cannot."""


class Peers(Protocol):
    """The way to the other servers: gets a message there soon, or loses it."""

    def set_peers(self, addresses: Mapping[str, str], /) -> None:
        """These are the others now: address (``host:port``) by id."""

    def send(self, messages: Sequence[Outgoing], /) -> None:
        """Send without waiting; never raises for what the network does."""

    def adopt(self, cluster_id: bytes, /) -> None:
        """The own log is of this cluster."""


class NoPeers(Peers):
    """There is no way to others, and no need for one."""

    @override
    def set_peers(self, addresses: Mapping[str, str], /) -> None:
        return

    @override
    def send(self, messages: Sequence[Outgoing], /) -> None:
        return

    @override
    def adopt(self, cluster_id: bytes, /) -> None:
        return


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a server is, when it takes snapshots and how many entries stay behind them.

    0 means the default. Source: Consul treats 0 in these options as not set.
    """

    election_timeout_s: float = ELECTION_TIMEOUT_S

    snapshot_threshold: int = SNAPSHOT_THRESHOLD
    snapshot_interval_s: float = SNAPSHOT_INTERVAL_S
    trailing_logs: int = TRAILING_LOGS

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(self):
            if not getattr(self, field.name):
                msgspec.structs.force_setattr(self, field.name, field.default)

    def for_core(self, *, keeps_log: bool, state_bytes: int = 0) -> CoreSettings:
        """The part that the rules go by; a log in memory only is kept short.

        ``state_bytes``: size of the newest snapshot. A large state is not written anew for every
        ``LOG_BYTES_MIN`` or ``LOG_COUNT_MIN`` of entries; they may take half as much as it does.
        """
        if keeps_log:
            room_bytes = min(state_bytes // 2, LOG_BYTES_MAX)
            count_min = max(LOG_COUNT_MIN, LOG_THRESHOLDS * self.snapshot_threshold)
            return CoreSettings(
                election_timeout_s=self.election_timeout_s,
                trailing_count=self.trailing_logs,
                log_bytes_max=max(LOG_BYTES_MIN, room_bytes),
                log_count_max=max(count_min, room_bytes // ENTRY_BYTES),
            )
        return CoreSettings(
            election_timeout_s=self.election_timeout_s,
            trailing_count=min(self.trailing_logs, MEMORY_TRAILING_LOGS),
            log_bytes_max=MEMORY_LOG_BYTES,
        )


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """Time, chance and tasks, given by whoever composes the process.

    ``wall_s``: Unix seconds; ``monotonic_s``: seconds that never go back; ``random``: uniform in
    [0, 1); ``start_task``: owns and names a task; ``on_fatal``: ends the process, called in any
    thread.
    """

    wall_s: Callable[[], float]
    monotonic_s: Callable[[], float]
    random: Callable[[], float]
    start_task: Callable[[str, Coroutine[Any, Any, Any]], asyncio.Task[Any]]
    on_fatal: Callable[[BaseException], None] = exit_process
