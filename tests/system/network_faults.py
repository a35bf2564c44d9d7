"""What happens between servers: cuts that leave a majority, and those that not everybody sees."""

from typing_extensions import override

from tests.system.stage import Stage


class CutLeader:
    """The leader is cut off, with as many others as make no majority."""

    name = "leader in the minority"
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


class LongCutLeader(CutLeader):
    """A cut for longer than any answer may take: what was asked of the old leader must end."""

    name = "leader long in the minority"
    lasts_s = 15.0


class CutFollowers:
    """As many followers as make no majority are cut off; the leader stays."""

    name = "followers in the minority"
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
    lasts_s = 4.0

    def begin(self, stage: Stage) -> str:
        leader = stage.servers.wait_leader()
        other = stage.rng.choice([name for name in stage.servers.names if name != leader])
        stage.switch.part([leader], [other])
        return f"{leader}, {other}"

    def end(self, stage: Stage) -> None:
        stage.switch.mend()
