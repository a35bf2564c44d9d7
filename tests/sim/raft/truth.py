"""What the checkers know: of each server what its log must be, and of the world what is final.

The core is asked for as little as possible. Its log is rebuilt from the writes it emits, what is
durable is read from the simulated disks, and memberships are decoded here.
"""

import math
from functools import cache
from typing import TYPE_CHECKING

from raft.entries import Configuration, Entry, Kind, SnapshotMeta, decode_configuration
from tests.sim.raft.disk import Image

if TYPE_CHECKING:
    from tests.sim.raft.server import SimServer

configuration_of = cache(decode_configuration)


class Violation(Exception):
    """A rule was broken."""


def require(condition: object, rule: str, *details: object) -> None:
    """Raise ``Violation`` unless the condition holds."""
    if not condition:
        raise Violation(f"{rule}: {' '.join(map(str, details))}")


class Seen:
    """One server, as its effects show it. ``log``: what it must look like in memory."""

    def __init__(self) -> None:
        self.log = Image()
        self.configurations: list[tuple[int, Configuration]] = [(0, Configuration())]
        self.term_promised = 0  # the highest one that somebody else may rely on
        self.commit_index = 0
        self.applied_index = 0
        self.term = 0
        self.epoch = 0
        self.is_leader = False
        self.lease = (0, -math.inf)  # its term, and its end on the own clock as of the last turn
        self.transfer_target = ""
        self.led_term = 0  # the last one it led in this life; it may have left it in this turn

    @property
    def configuration(self) -> Configuration:
        """The one in force: the newest in the log."""
        return self.configurations[-1][1]

    def configurations_possible(self) -> list[Configuration]:
        """The newest that is known to be committed and all later ones: one of them is in force.

        A server that an uncommitted entry removes may have to lead to get it committed (thesis
        §4.2.2).
        """
        later = [index for index, _ in self.configurations if index > self.commit_index]
        return [configuration for _, configuration in self.configurations[-len(later) - 1 :]]

    def restart(self, image: Image, snapshot: SnapshotMeta | None) -> None:
        """The process is new; the log is what the disk kept."""
        self.commit_index = self.applied_index = self.term = self.epoch = 0
        self.is_leader, self.led_term, self.transfer_target = False, 0, ""
        self.lease = (0, -math.inf)
        self.log = Image()
        self.log.first_index, self.log.base_term = image.first_index, image.base_term
        self.log.entries = list(image.entries)
        self.configurations = [(0, Configuration())]
        if snapshot is not None:
            self.restart_configurations(snapshot)
            if self.log.term(snapshot.index) not in (None, 0, snapshot.term):
                # The crash came between a received snapshot and the mark that voids the log.
                self.log.entries, self.log.first_index = [], snapshot.index + 1
                self.log.base_term = snapshot.term
        for entry in self.log.entries:
            if entry.index > self.configurations[0][0]:
                self.note_entry(entry)

    def restart_configurations(self, meta: SnapshotMeta) -> None:
        """A snapshot replaced the log."""
        self.configurations = [(meta.configuration_index, meta.configuration)]

    def note_entry(self, entry: Entry) -> None:
        """An entry follows the log."""
        if entry.kind is Kind.CONFIGURATION:
            self.configurations.append((entry.index, configuration_of(entry.payload)))

    def truncate_configurations(self, index_last: int) -> None:
        """The log was cut."""
        while self.configurations[-1][0] > index_last:
            self.configurations.pop()


class Truth:
    """The world: what was decided once and for all."""

    def __init__(self) -> None:
        self.leaders: dict[int, str] = {}  # by term
        self.positions: dict[tuple[int, int], tuple[bytes, int | None]] = {}
        self.committed: dict[int, int] = {}  # index -> term
        self.commit_index = 0  # the highest that any leader reached
        self.commit_of_term: dict[int, int] = {}  # leader's term -> its highest commit
        self.digests: dict[int, int] = {}  # index -> sum of the machine's past
        self.votes: dict[tuple[str, int], str] = {}
        self.proposed: dict[int, int] = {}  # operation -> how often it was accepted
        self.executed: dict[int, set[int]] = {}  # operation -> the indexes of its entries
        self.servers: dict[str, SimServer] = {}
        self.seen: dict[str, Seen] = {}

    def holds(self, name: str, index: int, term: int) -> bool:
        """Whether a server's disk has the entry, or a snapshot that covers it."""
        server = self.servers.get(name)
        if server is None:
            return False
        image = server.disk.image
        return image.last_index >= index and image.term(index) in (None, 0, term)

    def is_quorum(self, names: set[str], configuration: Configuration) -> bool:
        """Whether the servers are a majority of the voters, of both halves when joint."""
        halves = [configuration.voter_ids()]
        if configuration.is_joint:
            halves.append(configuration.old_voter_ids())
        return all(len(names & set(half)) > len(half) // 2 for half in halves)
