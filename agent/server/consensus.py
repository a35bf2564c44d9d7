"""The log as the rules about servers see it: who leads, who belongs to it, how that is changed.

``raft.driver.Driver`` is one. The rules of ``agent.server`` that decide about servers are written
against this, so that their tests need no log.
"""

from collections.abc import Sequence
from typing import Protocol

from raft.entries import Configuration, Server


class Consensus(Protocol):
    """One server's end of the replicated log."""

    @property
    def is_leader(self) -> bool:
        """Whether this server leads, as far as it knows."""

    @property
    def leader_id(self) -> str:
        """The leader's id; empty while there is none."""

    @property
    def leader_address(self) -> str:
        """Where the leader listens; empty while there is none."""

    @property
    def cluster_id(self) -> bytes:
        """What tells the log from those of other clusters; empty before it was begun."""

    @property
    def last_index(self) -> int:
        """Index of the newest entry; 0 for a log that was never begun."""

    @property
    def last_term(self) -> int:
        """Term of the newest entry."""

    @property
    def last_contact_s(self) -> float:
        """Seconds since the leader was heard: 0 on the leader, infinite when it never was."""

    @property
    def configuration(self) -> Configuration:
        """The newest membership; without servers before there is one."""

    @property
    def configuration_index(self) -> int:
        """Index of the entry that brought the membership."""

    async def bootstrap(self, configuration: Configuration) -> bool:
        """Begin a cluster with an empty log; False when there is a log by now."""

    async def propose_configuration(
        self, servers: Sequence[Server], previous_index: int = 0
    ) -> int:
        """Change the membership that ``previous_index`` brought (0: any), and wait.

        Raises RaftError.
        """

    async def transfer(self, target_id: str | None = None) -> str:
        """Hand over the leadership (None: to the best voter); returns to whom. Raises RaftError."""


def quorum(voter_count: int) -> int:
    """How many voters are a majority."""
    return voter_count // 2 + 1


def find(configuration: Configuration, server_id: str) -> Server | None:
    """A member of a configuration by id."""
    return next((s for s in configuration.servers if s.id == server_id), None)
