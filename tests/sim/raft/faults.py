"""What goes wrong, and what operators do: each fault hits at random and mostly ends by itself."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from raft.entries import NON_VOTER, VOTER, Server
from tests.sim.raft.server import SimServer

if TYPE_CHECKING:
    from tests.sim.raft.world import World

CHANGE_S_MEAN = 0.7  # between two changes of the membership


class Faults:
    """The troubles of one run; ``is_over`` ends them."""

    def __init__(self, world: "World", rng: Random) -> None:
        self.world = world
        self.rng = rng
        self.is_over = False

    def start(self) -> None:
        """Begin the trouble that the profile allows."""
        profile = self.world.profile
        if profile.faults:
            self._every(profile.fault_every_s, self._strike)
        if profile.is_membership_changing:
            self._every(CHANGE_S_MEAN, self._change_members)

    def _every(self, mean_s: float, action: Callable[[], None]) -> None:
        def act() -> None:
            if not self.is_over:
                action()
                self._every(mean_s, action)

        self.world.after(self.rng.expovariate(1 / mean_s), act)

    def _strike(self) -> None:
        kind = self.rng.choice(self.world.profile.faults)
        self.world.tell("fault", kind)
        getattr(self, kind)()

    def _victim(self) -> SimServer:
        """Often the leader: that is where it hurts."""
        leader = self.world.leader()
        if leader is not None and self.rng.random() < 0.4:
            return leader
        return self.rng.choice(list(self.world.servers.values()))

    def _outage_s(self) -> float:
        return self.rng.uniform(0, self.world.profile.outage_s_max)

    def _afterwards(self, action: Callable[[], None]) -> None:
        """Undo a fault, unless everything is being healed anyway."""
        self.world.after(self._outage_s(), lambda: None if self.is_over else action())

    # --- processes ---

    def crash(self) -> None:
        """One process ends; sometimes it is back within a moment."""
        self._restart(self._victim())

    def _restart(self, server: SimServer) -> None:
        if self.is_over:
            return
        server.crash()
        if self.rng.random() < 0.4:
            self.world.after(self.rng.uniform(0, 0.01), server.start)
        else:
            self.world.after(self._outage_s(), server.start)

    def crash_follower(self) -> None:
        """A server that does not lead ends and is back within a moment."""
        server = self.rng.choice(list(self.world.servers.values()))
        if not server.is_leader and server.core is not None:
            server.crash()
            self.world.after(self.rng.uniform(0, 0.01), server.start)

    def crash_at_point(self) -> None:
        """A process will end at the worst moment, the next time it gets there."""
        self._victim().crash_point = self.rng.choice(self.world.profile.crash_points)

    def power_loss(self) -> None:
        """All processes end at once."""
        for server in self.world.servers.values():
            self._restart(server)

    def rolling_restart(self) -> None:
        """One process after the other is started anew."""
        at_s = 0.0
        for server in self.world.servers.values():
            self.world.after(at_s, lambda server=server: self._restart(server))
            at_s += self.rng.uniform(0.1, 1.0)

    def pause(self) -> None:
        """A process is stopped, and goes on as if nothing had happened; rarely very late."""
        server = self._victim()
        if server.core is None or server.is_paused:
            return
        server.pause()
        length_s = self._outage_s() * (8 if self.rng.random() < 0.1 else 1)
        life = server.life
        self.world.after(length_s, lambda: server.resume() if server.life == life else None)

    # --- links ---

    def partition(self) -> None:
        """Two groups that cannot talk."""
        names = list(self.world.servers)
        some = self.rng.sample(names, self.rng.randint(1, max(1, len(names) // 2)))
        self._part(some, [name for name in names if name not in some])

    def isolate_leader(self) -> None:
        """The leader alone is cut off."""
        leader = self.world.leader()
        if leader is not None:
            self._part([leader.name], list(self.world.servers))

    def one_way_cut(self) -> None:
        """A server hears nothing, or is not heard."""
        name, others = self._victim().name, list(self.world.servers)
        if self.rng.random() < 0.5:
            self.world.network.cut([name], others)
        else:
            self.world.network.cut(others, [name])
        self._afterwards(self.world.network.heal)

    def partial_cut(self) -> None:
        """Some pairs cannot talk, though everybody is reachable from somebody."""
        names = list(self.world.servers)
        for _ in range(len(names)):
            one, other = self.rng.choice(names), self.rng.choice(names)
            self.world.network.cut([one], [other])
            self.world.network.cut([other], [one])
        self._afterwards(self.world.network.heal)

    def cut_pair(self) -> None:
        """The leader and one other server cannot talk; all others hear both."""
        leader = self.world.leader()
        others = [server for server in self.world.servers.values() if server is not leader]
        if leader is not None and others:
            self._part([leader.name], [self.rng.choice(others).name])

    def slow_link(self) -> None:
        """A link takes much longer than an election lasts, or a little."""
        names = list(self.world.servers)
        delay_s = self.rng.choice([0.05, 0.3, 1.5])
        self.world.network.slow(self.rng.choice(names), self.rng.choice(names), delay_s)
        self._afterwards(self.world.network.heal)

    def heal(self) -> None:
        """All links work again."""
        self.world.network.heal()

    def unreachable(self) -> None:
        """A connection breaks: the driver says so, rightly or not."""
        server, peer = self._victim(), self._victim()
        if peer is not server:
            server.give(lambda core, now: core.peer_unreachable(peer.name, now))

    def _part(self, some: list[str], others: list[str]) -> None:
        self.world.network.cut(some, others)
        self.world.network.cut(others, some)
        self._afterwards(self.world.network.heal)

    # --- disks ---

    def disk_hang(self) -> None:
        """A sync does not come back, for a while or until everything is healed."""
        server = self._victim()
        server.disk.hangs = True
        if self.rng.random() < 0.7:
            self._afterwards(server.disk.resume)

    def disk_failure(self) -> None:
        """The next sync fails: the process must die; later somebody starts it again."""
        server = self._victim()
        server.disk.fails_next = True
        self.world.after(self._outage_s() + 1.0, server.start)

    def disk_slow(self) -> None:
        """Every sync takes long."""
        disk, speed = self._victim().disk, self.world.profile.disk_speed
        disk.slow_down(self.rng.choice([0.05, 0.3]))
        self._afterwards(lambda: disk.set_speed(speed))

    # --- operators ---

    def transfer(self) -> None:
        """The leader is asked to hand over, to somebody or to the best."""
        leader = self.world.leader()
        target_id = self.rng.choice([None, *self.world.servers])
        if leader is not None:
            leader.transfer(target_id)

    def snapshot(self) -> None:
        """A snapshot is taken somewhere."""
        self._victim().snapshots.take()

    def _change_members(self) -> None:
        """A leader is asked for another membership; it may refuse."""
        leaders = [server for server in self.world.live if server.is_leader]
        if not leaders:
            return
        leader = self.rng.choice(leaders)
        core = leader.running
        present = {server.id: server.suffrage for server in core.configuration.servers}
        wanted = self._wanted(present)
        if not any(suffrage == VOTER for suffrage in wanted.values()):
            return
        servers = [Server(suffrage, name, f"{name}:8300") for name, suffrage in wanted.items()]
        index = self.rng.choice([0, core.configuration_index])
        self.world.tell(leader.name, "members", wanted)
        leader.give(lambda core, now: core.propose_configuration(servers, now, index))

    def _wanted(self, present: dict[str, int]) -> dict[str, int]:
        names = list(self.world.servers)
        wanted = dict(present)
        name = self.rng.choice(names)
        match self.rng.randrange(5):
            case 0:
                wanted.pop(name, None)
            case 1:
                wanted.setdefault(name, NON_VOTER)
            case 2 | 3:
                wanted[name] = VOTER
            case _:
                wanted = {
                    name: self.rng.choice([VOTER, VOTER, NON_VOTER])
                    for name in self.rng.sample(names, self.rng.randint(1, len(names)))
                }
        return wanted
