"""Any history of servers that join, fail, return and leave: the rules keep the quorum and settle.

The rules are run as the leader runs them; a change takes effect only where a real log could commit
it. The leader, server a, lives through all.
"""

from hypothesis import given
from hypothesis import strategies as st

from agent.server.autopilot import ForceLeave, HandOver, decide, servers_after
from agent.server.autopilot_health import Assessment, Observed, assess
from agent.server.consensus import quorum
from agent.server.server_changes import next_change
from catalog.rows.system import AutopilotConfiguration
from gossip.core.types import Status
from raft.entries import Configuration
from tests.agent.server.fleet import following, members_of, seen

SETTINGS = AutopilotConfiguration()
LOOK_S = 2.0
LOOKS_TO_SETTLE = 60  # far more than all servers together take
EVENTS = st.tuples(
    st.sampled_from("bcdefg"),
    st.sampled_from([Status.ALIVE, Status.FAILED, Status.LEFT]),
    st.integers(0, 8),  # looks until the next event
)


class Walk:
    """The cluster as its leader sees it."""

    def __init__(self, voters: str, replicas: set[str]) -> None:
        self.configuration = members_of(voters)
        self.replicas = replicas
        self.status = dict.fromkeys(voters, Status.ALIVE)
        self.assessment: Assessment | None = None
        self.now_s = 0.0

    def members(self) -> list:
        return [
            seen(i, self.status[i], read_replica=i in self.replicas) for i in sorted(self.status)
        ]

    def alive(self) -> set[str]:
        return {i for i, status in self.status.items() if status is Status.ALIVE}

    def can_commit(self, configuration: Configuration) -> bool:
        voters = configuration.voter_ids()
        return len(self.alive().intersection(voters)) >= quorum(len(voters))

    def take(self, servers) -> None:
        """The rules want these members: only a quorum can make it so, and it must stay one."""
        wanted = Configuration(tuple(sorted(servers, key=lambda s: s.id)))
        if self.can_commit(self.configuration):
            assert self.can_commit(wanted), (self.configuration, wanted, self.status)
            self.configuration = wanted

    def look(self) -> bool:
        """One look of the leader; whether anything was done."""
        self.now_s += LOOK_S
        plan = next_change(self.configuration, self.members(), own_id="a")
        if plan.change is not None:
            self.take(plan.change.servers)
        observed = Observed(
            configuration=self.configuration,
            members=self.members(),
            stats={i: following(contact_ns=0) for i in self.alive()},
            leader_id="a",
        )
        self.assessment = assess(self.assessment, observed, SETTINGS, self.now_s)
        action = decide(self.assessment, self.members(), SETTINGS, self.now_s).action
        assert not isinstance(action, HandOver)
        if isinstance(action, ForceLeave):
            self.status[action.server_id] = Status.LEFT
        elif action is not None:
            self.take(servers_after(self.configuration.servers, action))
        return plan.change is not None or action is not None


@given(st.sampled_from(["a", "ab", "abc", "abcde"]), st.lists(EVENTS, max_size=12), st.data())
def test_the_rules_keep_the_quorum_and_settle(voters, events, data):
    replicas = data.draw(st.sets(st.sampled_from("bcdefg"), max_size=2))
    walk = Walk(voters, replicas)
    for server_id, status, looks in events:
        walk.status[server_id] = status
        for _ in range(looks):
            walk.look()
    if not walk.can_commit(walk.configuration):
        return  # more failed than the cluster can bear: nothing may change any more

    for _ in range(LOOKS_TO_SETTLE):
        walk.look()

    assert not walk.look()
    ids = {server.id for server in walk.configuration.servers}
    assert walk.alive() <= ids
    left = {i for i, status in walk.status.items() if status is Status.LEFT}
    assert not ids & left
    assert walk.alive() - replicas <= set(walk.configuration.voter_ids())
