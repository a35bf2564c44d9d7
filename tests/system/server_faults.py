"""What happens to real servers: each fault begins, lasts a while, ends, and says what it shows.

A fault picks its victims when it begins. ``ends_leader`` tells that the time until the next
acknowledged write is one of a failover. What a fault promises of the product beside the promises
of the load is checked by ``end``, which raises ``Broken``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from typing_extensions import override

from tests.system.agent_process import wait_until
from tests.system.partition import Broken
from tests.system.sabotage import Sabotage, SmallDisk
from tests.system.servers import ELECTION_TIMEOUT_S, Servers, pause, resume
from tests.system.switch import Switch

# The status of a server whose disk failed: EX_IOERR of sysexits.
DISK_FAILED_STATUS: Final = 74
# The next sync comes with the next write, which the load makes within moments.
EXIT_WAIT_S: Final = 10.0
# Check-quorum, an election, and a busy machine.
DEPOSED_WAIT_S: Final = 8.0
CLOCK_JUMPS_S: Final = (-7200.0, -30.0, 30.0, 7200.0, 86_400.0 * 400)


@dataclass
class Stage:
    """What faults act on. ``sabotage`` and ``disks`` by server; a server may be without."""

    servers: Servers
    switch: Switch
    sabotage: dict[str, Sabotage]
    disks: dict[str, SmallDisk]
    rng: Random


class Fault(Protocol):
    """One kind of trouble."""

    name: str
    ends_leader: bool
    lasts_s: float

    def begin(self, stage: Stage) -> str:
        """Make the trouble; the victims, for the table."""

    def end(self, stage: Stage) -> None:
        """Undo it, and raise Broken for what did not happen meanwhile."""


class KillLeader:
    """kill -9 of the leader; it is started again."""

    name = "kill -9 of the leader"
    ends_leader = True
    lasts_s = 2.5

    def begin(self, stage: Stage) -> str:
        self.victim = stage.servers.wait_leader()
        stage.servers[self.victim].kill()
        return self.victim

    def end(self, stage: Stage) -> None:
        stage.servers[self.victim].spawn()


class KillFollower(KillLeader):
    """kill -9 of a follower; it is started again."""

    name = "kill -9 of a follower"
    ends_leader = False

    @override
    def begin(self, stage: Stage) -> str:
        self.victim = stage.rng.choice(stage.servers.followers())
        stage.servers[self.victim].kill()
        return self.victim


class KillAll:
    """kill -9 of all at once, and all started again."""

    name = "kill -9 of all"
    ends_leader = False
    lasts_s = 0.5

    def begin(self, stage: Stage) -> str:
        stage.servers.end()
        return "all"

    def end(self, stage: Stage) -> None:
        for agent in stage.servers.agents.values():
            agent.spawn()


class PauseLeader:
    """The leader stands still for two election timeouts, then goes on as if it led."""

    name = "pause of the leader"
    ends_leader = True
    lasts_s = 2 * ELECTION_TIMEOUT_S

    def begin(self, stage: Stage) -> str:
        self.victim = stage.servers.wait_leader()
        pause(stage.servers[self.victim])
        return self.victim

    def end(self, stage: Stage) -> None:
        resume(stage.servers[self.victim])


class CutLeader:
    """The leader is cut off, with as many others as make no majority."""

    name = "leader in the minority"
    ends_leader = False  # the clients of the minority cannot tell when the others have a leader
    lasts_s = 4.0

    def begin(self, stage: Stage) -> str:
        self.leader = stage.servers.wait_leader()
        others = [name for name in stage.servers.names if name != self.leader]
        stage.rng.shuffle(others)
        few = (len(stage.servers.names) - 1) // 2 - 1
        self.minority = [self.leader, *others[:few]]
        self.majority = others[few:]
        stage.switch.part(self.minority, self.majority)
        return ", ".join(self.minority)

    def end(self, stage: Stage) -> None:
        try:
            stage.servers.wait_leader(other_than=self.leader, among=self.majority)
        finally:
            stage.switch.mend()


class CutFollowers:
    """As many followers as make no majority are cut off; the leader stays."""

    name = "followers in the minority"
    ends_leader = False
    lasts_s = 4.0

    def begin(self, stage: Stage) -> str:
        few = (len(stage.servers.names) - 1) // 2
        minority = stage.rng.sample(stage.servers.followers(), few)
        majority = [name for name in stage.servers.names if name not in minority]
        stage.switch.part(minority, majority)
        return ", ".join(minority)

    def end(self, stage: Stage) -> None:
        stage.switch.mend()


class DeafLeader:
    """What the others send to the leader is lost; they hear it."""

    name = "nothing reaches the leader"
    ends_leader = False
    lasts_s = 4.0

    def begin(self, stage: Stage) -> str:
        leader = stage.servers.wait_leader()
        for name in stage.servers.names:
            if name != leader:
                stage.switch.lose_way(*self.way(leader, name))
        return leader

    def way(self, leader: str, other: str) -> tuple[str, str]:
        return other, leader

    def end(self, stage: Stage) -> None:
        stage.switch.mend()


class MuteLeader(DeafLeader):
    """What the leader sends is lost; it hears the others."""

    name = "nothing comes from the leader"

    @override
    def way(self, leader: str, other: str) -> tuple[str, str]:
        return leader, other


class CutPair:
    """The leader and one follower do not hear each other; all others hear both."""

    name = "leader cut from one follower"
    ends_leader = False
    lasts_s = 4.0

    def begin(self, stage: Stage) -> str:
        leader = stage.servers.wait_leader()
        other = stage.rng.choice([name for name in stage.servers.names if name != leader])
        stage.switch.part([leader], [other])
        return f"{leader}, {other}"

    def end(self, stage: Stage) -> None:
        stage.switch.mend()


class FailedSync:
    """A sync of the leader's disk fails: its process has to end; the others go on."""

    name = "failing fsync of the leader"
    ends_leader = True
    lasts_s = 2.5

    def begin(self, stage: Stage) -> str:
        self.victim = stage.servers.wait_leader()
        stage.sabotage[self.victim].fail_syncs()
        return self.victim

    def end(self, stage: Stage) -> None:
        agent = stage.servers[self.victim]
        try:
            wait_until(lambda: not agent.is_running(), timeout_s=EXIT_WAIT_S, what="its end")
            assert agent.process is not None
            status = agent.process.returncode
            if status != DISK_FAILED_STATUS:
                raise Broken(f"{self.victim} ended with {status} when its disk failed")
        finally:
            agent.kill()
            stage.sabotage[self.victim].mend_syncs()
            agent.spawn()


class HungSync:
    """The leader's disk hangs: another leads until it goes on."""

    name = "hung fsync of the leader"
    ends_leader = True
    lasts_s = 4.0

    def begin(self, stage: Stage) -> str:
        self.victim = stage.servers.wait_leader()
        stage.sabotage[self.victim].hang_syncs()
        return self.victim

    def end(self, stage: Stage) -> None:
        servers = stage.servers
        others = [name for name in servers.running if name != self.victim]
        is_other = lambda: servers.leader(others) not in ("", self.victim)  # noqa: E731 - a probe
        try:
            wait_until(is_other, timeout_s=DEPOSED_WAIT_S, what="a leader with a working disk")
        finally:
            stage.sabotage[self.victim].mend_syncs()


class FullDisk:
    """No room on the leader's disk: writes are refused until there is room again."""

    name = "full disk of the leader"
    ends_leader = False
    lasts_s = 3.0

    def begin(self, stage: Stage) -> str:
        self.victim = stage.servers.wait_leader()
        stage.disks[self.victim].fill()
        return self.victim

    def end(self, stage: Stage) -> None:
        stage.disks[self.victim].clear()
        agent = stage.servers[self.victim]
        if not agent.is_running():
            agent.kill()
            agent.spawn()


class ClockJump:
    """The wall clock of one server jumps and jumps back: nothing may come of it."""

    name = "clock jump"
    ends_leader = False
    lasts_s = 2.5

    def begin(self, stage: Stage) -> str:
        victim = stage.rng.choice([stage.servers.wait_leader(), *stage.sabotage])
        offset_s = stage.rng.choice(CLOCK_JUMPS_S)
        self.leader = stage.servers.wait_leader()
        stage.sabotage[victim].jump_clock(offset_s)
        return f"{victim} by {offset_s:.0f} s"

    def end(self, stage: Stage) -> None:
        leader = stage.servers.wait_leader()
        for sabotage in stage.sabotage.values():
            sabotage.jump_clock(0.0)
        if leader != self.leader:
            raise Broken(f"the clock jumped, and {leader} leads in place of {self.leader}")


EVERY: Final[tuple[Callable[[], Fault], ...]] = (
    KillLeader,
    KillFollower,
    KillAll,
    PauseLeader,
    CutLeader,
    CutFollowers,
    DeafLeader,
    MuteLeader,
    CutPair,
    FailedSync,
    HungSync,
    FullDisk,
    ClockJump,
)
# The death of a leader is what the median is taken of.
KILLS_PER_DECK: Final = 5


def deck(rng: Random) -> list[Fault]:
    """Every fault, that of the leader several times, in an order of chance."""
    kinds = [*EVERY, *([KillLeader] * (KILLS_PER_DECK - 1))]
    rng.shuffle(kinds)
    return [kind() for kind in kinds]
