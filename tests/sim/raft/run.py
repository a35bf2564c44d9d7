"""One run: a cluster starts, suffers, is healed, and must work again; then its history is judged.

Everything is drawn from the seed. ``run`` returns what went wrong, with the story if asked for.
"""

import traceback
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from raft.entries import VOTER, Configuration, Server
from tests.sim.raft.clients import Clients
from tests.sim.raft.faults import Faults
from tests.sim.raft.linearizability import Kind, Verdict, judge
from tests.sim.raft.machine import Command, encode
from tests.sim.raft.profile import Profile, draw
from tests.sim.raft.server import Done, SimServer
from tests.sim.raft.truth import Violation, require
from tests.sim.raft.world import World

# In election timeouts:
SETTLE: Final = 1.5  # before the trouble begins: often a leader is there
LEADER_MAX: Final = 10  # after the heal
COMMIT_MAX: Final = 10
CONVERGE_S_MAX: Final = 60.0  # a snapshot in many small chunks
LOOK: Final = 0.05


class Report(msgspec.Struct):
    """What a run did and what was wrong; nothing is good."""

    seed: int
    event_count: int = 0
    operation_count: int = 0
    final_index: int = 0
    term_count: int = 0
    undecided: int = 0  # keys whose history was too hard to judge
    wrong: str = ""
    trace: list[str] = []


def run(
    seed: int,
    *,
    is_traced: bool = False,
    profile: Profile | None = None,
    directory: Path | None = None,
) -> Report:
    """Play the run of ``seed``; ``directory``: with the real log, kept there."""
    play = _Run(World(profile or draw(seed), is_traced=is_traced, directory=directory))
    report = Report(seed)
    try:
        report.undecided = play.play()
    except Violation as violation:
        report.wrong = str(violation)
    except Exception as error:  # whatever the core raises is a finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        report.wrong = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    world = play.world
    for server in world.servers.values():
        server.disk.close()
    report.event_count = world.event_count
    report.operation_count = len(play.clients.history)
    report.final_index = world.checkers.truth.commit_index
    report.term_count = len(world.checkers.truth.leaders)
    report.trace = world.trace or []
    return report


class _Run:
    def __init__(self, world: World) -> None:
        rng = Random(world.profile.seed)
        self.profile = world.profile
        self.world = world
        self.clients = Clients(self.world, Random(rng.getrandbits(64)))
        self.faults = Faults(self.world, Random(rng.getrandbits(64)))
        self.is_marked = False

    def play(self) -> int:
        """Returns how many keys could not be judged; raises what was wrong."""
        world, profile = self.world, self.profile
        world.tell(profile)
        members = tuple(Server(VOTER, name, f"{name}:8300") for name in world.voters_at_start)
        for name, server in world.servers.items():
            if name in world.voters_at_start:
                server.bootstrap = Configuration(members)
                if server.rng.random() < profile.crashes_at_start:
                    server.crash_point = "writes handed to storage"
            server.start()
        self.clients.start()
        settle_s = SETTLE * profile.settings.election_timeout_s
        world.run_until(settle_s)
        self.faults.start()
        world.run_until(settle_s + profile.trouble_s)
        self.faults.is_over = True
        self.clients.stop()
        world.calm()
        self._recover()
        return self._judge()

    def _recover(self) -> None:
        """After the heal: a leader, progress, and everybody at the same place."""
        world, timeout_s = self.world, self.profile.settings.election_timeout_s
        look_s = LOOK * timeout_s
        require(
            world.run_while(lambda: world.leader() is None, LEADER_MAX * timeout_s, look_s),
            "no leader after the heal",
        )
        require(
            world.run_while(lambda: not self._is_committing(), COMMIT_MAX * timeout_s, look_s),
            "nothing commits after the heal",
        )
        require(
            world.run_while(lambda: bool(self._behind()), CONVERGE_S_MAX, look_s),
            "servers do not converge after the heal",
            self._behind(),
        )

    def _is_committing(self) -> bool:
        """Keep proposing a marker until one is executed."""
        leader = self.world.leader()
        if leader is not None and not self.is_marked:
            marker = Command(0, Kind.PUT, "marker", 1)
            leader.propose(encode(marker), self._on_marked)
        return self.is_marked

    def _on_marked(self, answered: object) -> None:
        self.is_marked |= isinstance(answered, Done)

    def _behind(self) -> list[str]:
        """Which members are not where the leader is."""
        leader = self.world.leader()
        if leader is None:
            return ["no leader"]
        core = leader.running
        members = [self.world.servers[member.id] for member in core.configuration.members()]
        behind = ["joint"] if core.configuration.is_joint else []
        return behind + [member.name for member in members if not _is_level(member, leader)]

    def _judge(self) -> int:
        truth = self.world.checkers.truth
        self.clients.give_up()
        for number in self.clients.acknowledged:
            require(number in truth.executed, "an acknowledged write is gone", number)
        verdicts = judge(self.clients.history)
        for key, verdict in verdicts.items():
            require(verdict is not Verdict.NO, "the history is not linearizable", key)
        return sum(verdict is Verdict.UNKNOWN for verdict in verdicts.values())


def _is_level(server: SimServer, leader: SimServer) -> bool:
    core = server.core
    if core is None:
        return False
    last_index = leader.running.last_index
    return (
        core.last_index == core.commit_index == core.applied_index == last_index
        and server.machine.digest == leader.machine.digest
        and core.leader_id == leader.name
    )
