"""Who belongs to the cluster, as the log says; and the way from one membership to the next.

A configuration counts from the moment it is in the log and stops when it is cut off again (Raft
§6; thesis §4.1), so all those above the applied index are kept. Changes of one voter keep old and
new majorities overlapping; anything else goes through a joint configuration.
"""

from collections.abc import Sequence

from raft.core.quorum import Voters
from raft.entries import VOTER, Configuration, Server


class Membership:
    """``configuration`` and ``index`` are of the newest one in the log, committed or not."""

    __slots__ = ("_history", "configuration", "index", "is_changed", "voters")

    def __init__(self, index: int, configuration: Configuration) -> None:
        self.restart(index, configuration)

    def restart(self, index: int, configuration: Configuration) -> None:
        """Everything before is void: a snapshot says so."""
        self._history = [(index, configuration)]
        self._use_newest()

    def append(self, index: int, configuration: Configuration) -> None:
        """The log has a newer one, which counts at once."""
        self._history.append((index, configuration))
        self._use_newest()

    def truncate(self, index_last: int) -> None:
        """The log was cut; an earlier one counts again."""
        if self.index <= index_last:
            return
        while self._history[-1][0] > index_last:
            self._history.pop()
        self._use_newest()

    def settle(self, index: int) -> None:
        """Forget what is older than the one in force at ``index``."""
        while len(self._history) > 1 and self._history[1][0] <= index:
            del self._history[0]

    def at(self, index: int) -> tuple[Configuration, int]:
        """The configuration in force at ``index``, and its own index."""
        for own_index, configuration in reversed(self._history):
            if own_index <= index:
                return configuration, own_index
        return self._history[0][1], self._history[0][0]

    def uncommitted_count(self, commit_index: int) -> int:
        """How many configurations are not committed yet."""
        return sum(index > commit_index for index, _ in self._history)

    def may_lead(self, server_id: str, commit_index: int) -> bool:
        """Whether the server votes in a membership that is, or may still be, in force.

        Who is removed by an entry that is not committed may be the only one with enough of the
        log to get it committed (thesis §4.2.2).
        """
        if self.voters.include(server_id):
            return True
        return any(
            server_id in (*configuration.voter_ids(), *configuration.old_voter_ids())
            for configuration in self._in_force(commit_index)
        )

    def _in_force(self, commit_index: int) -> list[Configuration]:
        committed_index = self.at(commit_index)[1]
        return [configuration for index, configuration in self._history if index >= committed_index]

    def has_member(self, server_id: str) -> bool:
        """Whether the newest configuration knows the server, voter or not."""
        return any(server.id == server_id for server in self.configuration.members())

    def _use_newest(self) -> None:
        self.index, self.configuration = self._history[-1]
        self.voters = Voters(self.configuration.voter_ids(), self.configuration.old_voter_ids())
        self.is_changed = True


def next_configuration(present: Configuration, wanted: Sequence[Server]) -> Configuration:
    """The step from a simple membership towards ``wanted``: itself, or a joint one."""
    target = Configuration(tuple(sorted(wanted, key=lambda server: server.id)))
    changed = set(present.voter_ids()) ^ set(target.voter_ids())
    if len(changed) <= 1:
        return target
    return Configuration(target.servers, present.servers)


def is_valid(servers: Sequence[Server]) -> bool:
    """At least one voter, and no id empty or twice."""
    ids = {server.id for server in servers}
    has_voter = any(server.suffrage == VOTER for server in servers)
    return has_voter and len(ids) == len(servers) and "" not in ids
