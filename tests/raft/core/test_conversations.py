"""Random conversations: anything may be late, lost, repeated or crash, and the rules must hold.

The harness checks after every step that no two servers lead one term, that state machines are
equal as far as they go, and each server's own invariants; here also that no read is older than
what was committed when it was asked. In the end all is whole again, and the cluster must go on.
"""

from collections.abc import Callable
from random import Random

import pytest

from raft.core.settings import Settings
from raft.core.types import Accepted, Role
from raft.entries import Server
from tests.raft.core.cluster import Cluster, Dice

SEEDS = range(20)
STEPS = 1_000
CALM_S = 60.0  # until a leader must be found once everything is whole


class Chance(Dice):
    """The conversation's own dice, so that one seed decides everything."""

    def __init__(self, random: Random) -> None:
        super().__init__("")
        self._random = random


class Conversation:
    """One cluster of random shape, and the things that may happen to it."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        settings = Settings(
            batch_count_max=random.choice([1, 3, 1024]),
            trailing_count=random.choice([0, 2, 10_240]),
            snapshot_chunk_bytes=random.choice([50, 262_144]),
            window_count_max=random.choice([1, 2, 4]),
        )
        voters = random.choice(["a", "ab", "abc", "abcd", "abcde"])
        learners = random.choice(["", "x", "xy"])
        self.cluster = Cluster(
            voters, learners=learners[: random.choice([0, 1, 2])], settings=settings
        )
        self.ids = list(self.cluster.hosts)
        self.asked: dict[int, int] = {}  # by token: what was committed somewhere
        for server_id in self.ids:
            self.cluster.hosts[server_id].dice = Chance(random)
        self.happenings: list[Callable[[str], None]] = [
            *[self.deliver] * 30,
            *[self.persist] * 10,
            *[self.pass_time] * 20,
            *[self.propose] * 10,
            *[self.confuse_network] * 4,
            *[self.crash_or_restart] * 5,
            *[self.hang_or_free_disk] * 4,
            *[self.cut_or_heal] * 6,
            *[self.compact] * 3,
            *[self.transfer] * 4,
            *[self.change_members] * 4,
            *[self.read] * 15,
        ]

    def step(self) -> None:
        """Something happens, to some server."""
        if self.random.random() < 0.4:
            self.cluster.deliver()
        if self.random.random() < 0.15:
            self.cluster.persist()
        leading = [s for s in self.ids if self.cluster[s].role is Role.LEADER]
        likely = leading if leading and self.random.random() < 0.5 else self.ids
        self.random.choice(self.happenings)(self.random.choice(likely))
        for host in self.cluster.hosts.values():
            for ready in host.ready:
                assert self.asked[int(str(ready.token))] <= ready.index, "a stale read"
                assert ready.index <= host.raft.applied_index
            host.ready.clear()

    def is_up(self, server_id: str) -> bool:
        return server_id not in self.cluster.down

    def deliver(self, _: str) -> None:
        luck = self.random.choice([0.3, 1.0, 1.0])
        count = self.random.randrange(1, 20)
        self.cluster.deliver(lambda _s, _r, _m: self.random.random() < luck, count=count)

    def persist(self, server_id: str) -> None:
        self.cluster.persist(server_id, count=self.random.choice([1, 2, None]))

    def pass_time(self, _: str) -> None:
        self.cluster.now += self.random.random() * self.random.choice([0.05, 0.1, 0.5, 2.0])
        awake = self.random.sample(self.ids, self.random.randrange(1, len(self.ids) + 1))
        self.cluster.tick(*awake)

    def propose(self, server_id: str) -> None:
        if self.is_up(server_id):
            payloads = [b"%d" % self.random.randrange(1000)] * self.random.randrange(1, 4)
            self.cluster[server_id].propose(payloads, self.cluster.now)

    def confuse_network(self, _: str) -> None:
        network = list(self.cluster.network)
        if self.random.random() < 0.5:
            self.cluster.drop(lambda _s, _r, _m: self.random.random() < 0.3)
        elif network:
            self.cluster.network.extend(self.random.sample(network, min(5, len(network))))
            self.random.shuffle(self.cluster.network)

    def crash_or_restart(self, server_id: str) -> None:
        if self.is_up(server_id) and self.random.random() < 0.5:
            self.cluster.crash(server_id)
        else:
            for crashed in list(self.cluster.down):
                self.cluster.restart(crashed)

    def hang_or_free_disk(self, server_id: str) -> None:
        if self.random.random() < 0.3:
            self.cluster.hung_disks.add(server_id)
        else:
            self.cluster.hung_disks.clear()

    def cut_or_heal(self, server_id: str) -> None:
        if self.random.random() < 0.4:
            self.cluster.isolate(server_id)
        else:
            self.cluster.heal()

    def compact(self, server_id: str) -> None:
        if self.is_up(server_id) and self.cluster.hosts[server_id].state:
            self.cluster.compact(server_id)

    def transfer(self, server_id: str) -> None:
        if self.is_up(server_id):
            target_id = self.random.choice([None, *self.ids])
            self.cluster[server_id].transfer(target_id, self.cluster.now)

    def change_members(self, server_id: str) -> None:
        if self.is_up(server_id):
            raft = self.cluster[server_id]
            suffrages = {member.id: member.suffrage for member in raft.configuration.servers}
            count = self.random.choice([1, 1, 1, len(self.ids)])
            for changed in self.random.sample(self.ids, count):
                suffrages[changed] = self.random.choice([0, 0, 0, 1, 2])
            wanted = [Server(s, member, f"{member}:1") for member, s in suffrages.items() if s < 2]
            raft.propose_configuration(wanted, self.cluster.now)

    def read(self, server_id: str) -> None:
        if self.is_up(server_id):
            token = len(self.asked) + 1
            self.asked[token] = max(h.raft.commit_index for h in self.cluster.hosts.values())
            lease_allowed = self.random.random() < 0.5
            self.cluster[server_id].read(token, self.cluster.now, lease_allowed=lease_allowed)

    def calm_down(self) -> None:
        """Everything is whole again: a leader is found, and what it takes reaches all members."""
        cluster = self.cluster
        cluster.heal()
        cluster.hung_disks.clear()
        for server_id in list(cluster.down):
            cluster.restart(server_id)
        end = cluster.now + CALM_S
        while not any(host.raft.role is Role.LEADER for host in cluster.hosts.values()):
            assert cluster.now < end, "nobody leads"
            cluster.wait(1.0)
        cluster.wait(3.0)
        leader = cluster.leader()
        assert isinstance(leader.propose([b"end"], cluster.now), Accepted)
        cluster.wait(3.0)
        for member in leader.configuration.members():
            assert b"end" == cluster.hosts[member.id].payloads[-1], member.id


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_the_rules_hold_and_the_cluster_goes_on(seed: int) -> None:
    conversation = Conversation(seed)
    conversation.cluster.wait(4.0)

    for _ in range(STEPS):
        conversation.step()

    conversation.calm_down()
