"""What happens to the disks and the clocks of servers."""

from typing import Final

from tests.system.agent_process import wait_until
from tests.system.partition import Broken
from tests.system.stage import Stage

# The status of a server whose disk failed: EX_IOERR of sysexits.
DISK_FAILED_STATUS: Final = 74
# The next sync comes with the next write, which the load makes within moments.
EXIT_WAIT_S: Final = 10.0
# Check-quorum, an election, and a busy machine.
DEPOSED_WAIT_S: Final = 8.0
# A disk that is busy with something else.
SLOW_SYNC_MS: Final = 200
CLOCK_JUMPS_S: Final = (-7200.0, -30.0, 30.0, 7200.0, 86_400.0 * 400)


class FailedSync:
    """A sync of the leader's disk fails: its process has to end; the others go on."""

    name = "failing fsync of the leader"
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


class SlowSync:
    """Each sync of the leader takes long; writes are slower, nothing else."""

    name = "slow fsync of the leader"
    lasts_s = 3.0

    def begin(self, stage: Stage) -> str:
        self.victim = stage.servers.wait_leader()
        stage.sabotage[self.victim].slow_syncs(SLOW_SYNC_MS)
        return self.victim

    def end(self, stage: Stage) -> None:
        stage.sabotage[self.victim].mend_syncs()


class FullDisk:
    """No room on the leader's disk: writes are refused until there is room again."""

    name = "full disk of the leader"
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


class WipedFollower:
    """A follower loses its disk for ever, and comes back empty: a new server at an old place."""

    name = "lost disk of a follower"
    lasts_s = 1.0

    def begin(self, stage: Stage) -> str:
        self.victim = stage.rng.choice(stage.servers.followers())
        stage.servers[self.victim].kill()
        stage.disks[self.victim].wipe()
        return self.victim

    def end(self, stage: Stage) -> None:
        servers = stage.servers
        servers[self.victim].restart()
        servers.wait_voters(servers.names, via=servers.wait_leader())


class ClockJump:
    """The wall clock of one server jumps and jumps back: nothing may come of it."""

    name = "clock jump"
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
