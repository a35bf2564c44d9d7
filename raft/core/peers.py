"""The followers of one leadership, and what a quorum of them has reached."""

from collections.abc import Callable

from raft.core.progress import Progress
from raft.core.quorum import reached
from raft.core.state import State


class Peers:
    """A duty of the leader: ``progress`` of every other member, empty on all other servers."""

    __slots__ = ("_state", "progress")

    def __init__(self, state: State) -> None:
        self._state = state
        self.progress: dict[str, Progress] = {}

    def begin(self) -> None:
        """Everything before the no-op may be known; nothing is known to match yet."""
        self.progress = {}
        self._add_new(self._state.own_term_index)

    def end(self) -> None:
        """What was known of them is worth nothing to the next leader."""
        self.progress = {}

    def follow_membership(self) -> None:
        """Begin with members that are new; those that left go with ``drop_removed``."""
        self._add_new(self._state.log.last_index + 1)

    def drop_removed(self) -> None:
        """Forget who is no member any more; it has been sent its own removal."""
        membership = self._state.membership
        for peer_id in [peer for peer in self.progress if not membership.has_member(peer)]:
            del self.progress[peer_id]

    def _add_new(self, next_index: int) -> None:
        state = self._state
        for server in state.membership.configuration.members():
            if server.id != state.server_id and server.id not in self.progress:
                self.progress[server.id] = Progress(next_index, state.now)

    def reached(self, own_value: float, value_of: Callable[[Progress], float]) -> float:
        """The largest value that a quorum of voters has reached, this server included."""
        values = {peer_id: value_of(progress) for peer_id, progress in self.progress.items()}
        values[self._state.server_id] = own_value
        return reached(values, self._state.membership.voters)
