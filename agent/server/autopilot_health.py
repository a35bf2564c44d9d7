"""How the servers fare: gossip's view, each server's own numbers, and for how long it was so.

Pure: the leader looks every two seconds and passes its last look. Healthy is who is alive in
gossip, has heard the leader lately, and is close behind it in the log. Source: Consul, autopilot.
"""

from collections.abc import Mapping, Sequence

import msgspec

from agent.rpc.endpoints.raft_stats import NEVER_NS, RaftStats
from agent.server.consensus import quorum
from agent.server.server_members import ServerMember
from catalog.duration import SECOND
from catalog.rows.system import AutopilotConfiguration
from gossip.core.types import Status
from raft.entries import VOTER, Configuration, Server

UNKNOWN = RaftStats(last_contact_ns=NEVER_NS, last_term=0, last_index=0)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the log. ``status`` is gossip's, NONE when it does not know the server.

    ``stats`` are the last that it told; ``answers``: it told them just now. ``stable_since_s`` is
    when ``is_healthy`` last changed.
    """

    server: Server
    name: str
    status: Status
    build: str
    raft_version: str
    read_replica: bool
    is_leader: bool
    answers: bool
    stats: RaftStats
    is_healthy: bool
    stable_since_s: float

    @property
    def id(self) -> str:
        """The server's node id."""
        return self.server.id

    @property
    def is_voter(self) -> bool:
        """Whether its vote counts."""
        return self.server.suffrage == VOTER

    def stable_s(self, now_s: float) -> float:
        """Seconds for which it is healthy or not, as it is now."""
        return now_s - self.stable_since_s


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """All members, by id. ``begun_s`` is when this leader first looked.

    ``stable_voter_count``: voters when last all of them were healthy for the stabilization time.
    """

    conditions: tuple[Condition, ...]
    begun_s: float
    stable_voter_count: int

    @property
    def voters(self) -> tuple[Condition, ...]:
        """Those whose votes count."""
        return tuple(condition for condition in self.conditions if condition.is_voter)

    @property
    def is_healthy(self) -> bool:
        """Whether every server is."""
        return all(condition.is_healthy for condition in self.conditions)

    @property
    def failure_tolerance(self) -> int:
        """How many healthy voters may fail without loss of the quorum."""
        voters = self.voters
        return max(0, sum(voter.is_healthy for voter in voters) - quorum(len(voters)))

    def of(self, server_id: str) -> Condition | None:
        """One server's."""
        return next((known for known in self.conditions if known.id == server_id), None)


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What the leader sees at one time; ``stats`` by id of those that answered, itself too."""

    configuration: Configuration
    members: Sequence[ServerMember]
    stats: Mapping[str, RaftStats]
    leader_id: str


def assess(
    previous: Assessment | None, observed: Observed, settings: AutopilotConfiguration, now_s: float
) -> Assessment:
    """How the servers fare now. ``now_s`` is of a clock that never goes back."""
    members = {member.id: member for member in observed.members}
    leader = observed.stats.get(observed.leader_id, UNKNOWN)
    conditions = []
    for server in observed.configuration.servers:
        before = previous.of(server.id) if previous is not None else None
        member = members.get(server.id)
        stats = observed.stats.get(server.id)
        status = member.status if member is not None else Status.NONE
        is_healthy = (
            status in (Status.ALIVE, Status.LEAVING)
            and stats is not None
            and keeps_up(stats, leader, settings)
        )
        is_unchanged = before is not None and before.is_healthy == is_healthy
        conditions.append(
            Condition(
                server=server,
                name=member.name if member else before.name if before else "",
                status=status,
                build=member.build if member else before.build if before else "",
                raft_version=member.raft_version if member else "",
                read_replica=member.read_replica if member else False,
                is_leader=server.id == observed.leader_id,
                answers=stats is not None,
                stats=stats or (before.stats if before else UNKNOWN),
                is_healthy=is_healthy,
                stable_since_s=before.stable_since_s if before and is_unchanged else now_s,
            )
        )
    return Assessment(
        conditions=tuple(conditions),
        begun_s=previous.begun_s if previous is not None else now_s,
        stable_voter_count=_stable_voter_count(previous, conditions, settings, now_s),
    )


def keeps_up(stats: RaftStats, leader: RaftStats, settings: AutopilotConfiguration) -> bool:
    """Whether a server that says this of itself follows the leader closely."""
    trailing_max = settings.max_trailing_logs
    return (
        stats.cluster == leader.cluster  # terms and indices of another log mean nothing
        and 0 <= stats.last_contact_ns <= settings.last_contact_threshold
        and stats.last_term == leader.last_term
        and (
            leader.last_index <= trailing_max  # a log as short as that is copied in one message
            or stats.last_index >= leader.last_index - trailing_max
        )
    )


def _stable_voter_count(
    previous: Assessment | None,
    conditions: Sequence[Condition],
    settings: AutopilotConfiguration,
    now_s: float,
) -> int:
    voters = [condition for condition in conditions if condition.is_voter]
    stabilization_s = settings.server_stabilization_time / SECOND
    is_stable = all(v.is_healthy and v.stable_s(now_s) >= stabilization_s for v in voters)
    if previous is None or is_stable:
        return len(voters)
    return max(previous.stable_voter_count, len(voters))
