"""What happens to the processes of servers: they die, stand still, end or step back as told."""

from typing_extensions import override

from tests.system.agent_process import STOP_WAIT_S, wait_until
from tests.system.servers import ELECTION_TIMEOUT_S, pause, resume
from tests.system.stage import Stage


class KillLeader:
    """kill -9 of the leader; it is started again."""

    name = "kill -9 of the leader"
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

    @override
    def begin(self, stage: Stage) -> str:
        self.victim = stage.rng.choice(stage.servers.followers())
        stage.servers[self.victim].kill()
        return self.victim


class KillAll:
    """kill -9 of all at once, and all started again."""

    name = "kill -9 of all"
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
    lasts_s = 2 * ELECTION_TIMEOUT_S

    def begin(self, stage: Stage) -> str:
        self.victim = stage.servers.wait_leader()
        pause(stage.servers[self.victim])
        return self.victim

    def end(self, stage: Stage) -> None:
        resume(stage.servers[self.victim])


class StopLeader(KillLeader):
    """The leader is told to end, as at an upgrade, and started again."""

    name = "SIGTERM of the leader"

    @override
    def begin(self, stage: Stage) -> str:
        self.victim = stage.servers.wait_leader()
        process = stage.servers[self.victim].process
        assert process is not None
        process.terminate()
        return self.victim

    @override
    def end(self, stage: Stage) -> None:
        agent = stage.servers[self.victim]
        wait_until(lambda: not agent.is_running(), timeout_s=STOP_WAIT_S, what="its end")
        agent.kill()
        agent.spawn()


class HandOver:
    """The leader is asked to give the leadership to another."""

    name = "hand-over by the operator"
    lasts_s = 1.0

    def begin(self, stage: Stage) -> str:
        leader = stage.servers.wait_leader()
        stage.servers[leader].request("POST", "/v1/operator/raft/transfer-leader")
        return leader

    def end(self, stage: Stage) -> None:
        """Nothing to undo."""
