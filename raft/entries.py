"""The values of the log: entries, hard state, snapshot marks and the membership they carry.

Pure values, shared by the record codec, both storages and the driver. Sources: Raft (Ongaro and
Ousterhout 2014) §5; the field names of ``Configuration`` and ``SnapshotMeta`` are those of the
``meta.json`` inside a Consul snapshot archive.
"""

import enum
import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

COMMAND_BYTES_MAX = 3 * 512 * 1024  # the largest Consul request (transactions) with its envelope


class Kind(enum.IntEnum):
    """What an entry means to the log; the numbers are on disk and never reused."""

    COMMAND = 1  # opaque bytes for the state machine
    NO_OP = 2  # commits what earlier terms left behind
    CONFIGURATION = 3  # an encoded Configuration


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One slot of the log. Indexes start at 1 and have no holes."""

    index: int
    term: int
    kind: Kind
    payload: bytes = b""


class HardState(msgspec.Struct, frozen=True, gc=False):
    """What a server must not forget: term, its vote in it ("" = none), and a hint of the commit.

    The hint is written with other records and never waited for.
    """

    term: int = 0
    vote: str = ""
    commit_index: int = 0


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A durable snapshot covers everything up to ``index``; past the end it restarts the log."""

    index: int
    term: int


VOTER: Final = 0  # suffrage: its vote counts
NON_VOTER: Final = 1  # suffrage: it only receives the log


class Server(msgspec.Struct, frozen=True, rename={"suffrage": "Suffrage", "id": "ID"}):
    """One member. ``suffrage``: 0 voter, 1 non-voter, 2 staging. ``address``: ``host:port``."""

    suffrage: int
    id: str
    address: str = msgspec.field(name="Address")


class Configuration(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """The members, sorted by id so that equal memberships have equal bytes.

    With ``old_servers`` it is joint (Raft §6): every decision needs a majority of the voters of
    both halves, until a configuration with ``servers`` alone follows.
    """

    servers: tuple[Server, ...] = ()
    old_servers: tuple[Server, ...] = ()

    @property
    def is_joint(self) -> bool:
        """Whether this is the step between two memberships."""
        return bool(self.old_servers)

    def voter_ids(self) -> tuple[str, ...]:
        """Ids of the servers whose votes count."""
        return tuple(server.id for server in self.servers if server.suffrage == VOTER)

    def old_voter_ids(self) -> tuple[str, ...]:
        """Ids of the voters of the half that is being left; empty unless joint."""
        return tuple(server.id for server in self.old_servers if server.suffrage == VOTER)

    def members(self) -> tuple[Server, ...]:
        """Every server of either half once, as the newer half describes it."""
        newer = {server.id for server in self.servers}
        return (*self.servers, *(old for old in self.old_servers if old.id not in newer))


class SnapshotMeta(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "version": "Version",
        "id": "ID",
        "index": "Index",
        "term": "Term",
        "peers": "Peers",
        "configuration": "Configuration",
        "configuration_index": "ConfigurationIndex",
        "size_bytes": "Size",
    },
):
    """What a snapshot covers. ``id`` is ``<term>-<index>-<Unix ms>``; ``peers`` is legacy."""

    version: int = 1
    id: str
    index: int
    term: int
    peers: bytes | None = None
    configuration: Configuration
    configuration_index: int
    size_bytes: int = 0


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered request to storage, made durable whole and in order of ``sequence``.

    Within it the mark comes first, then the hard state, then the truncation (entries above
    ``truncate_to`` are void; None: no truncation), then the entries, which follow the log without
    a hole. Afterwards entries below ``release_before`` may be forgotten (0: none).
    """

    sequence: int
    mark: Mark | None = None
    hard_state: HardState | None = None
    truncate_to: int | None = None
    entries: Sequence[Entry] = ()
    release_before: int = 0


def sole_configuration(server_id: str, address: str) -> Configuration:
    """The membership of a server that is alone."""
    return Configuration((Server(0, server_id, address),))


def encode_configuration(configuration: Configuration) -> bytes:
    """The payload of a configuration entry: equal memberships give equal bytes."""
    servers, old_servers = (
        tuple(sorted(half, key=lambda server: server.id))
        for half in (configuration.servers, configuration.old_servers)
    )
    return msgspec.msgpack.encode(Configuration(servers, old_servers))


def decode_configuration(payload: bytes) -> Configuration:
    """Read what ``encode_configuration`` wrote; raises ``msgspec.ValidationError``."""
    return msgspec.msgpack.decode(payload, type=Configuration)


def cluster_id(bootstrap_payload: bytes) -> bytes:
    """16 bytes that tell clusters apart: two bootstraps with other members never join by error."""
    return hashlib.sha256(bootstrap_payload).digest()[:16]
