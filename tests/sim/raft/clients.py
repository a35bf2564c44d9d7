"""Clients: each does one operation after the other, anywhere, and remembers what it was told.

A write that was refused never happened, one without an answer may have; then the client may repeat
it under its number, which the machine executes once, or go on with another operation. Writes at a
follower are forwarded, once, with the term in which it knew the leader.
"""

from random import Random
from typing import TYPE_CHECKING, Final

import msgspec

from raft.core.types import ReadFailed, ReadReady, Refused
from tests.sim.raft.linearizability import Kind, Operation, Value
from tests.sim.raft.machine import Command, Machine, encode
from tests.sim.raft.server import Done, Lost, SimServer
from tests.sim.raft.truth import require

if TYPE_CHECKING:
    from tests.sim.raft.world import World

KINDS: Final = (Kind.GET, Kind.GET, Kind.GET, Kind.PUT, Kind.PUT, Kind.CAS, Kind.DELETE)
REPEAT_CHANCE: Final = 0.5  # that a write without an answer is repeated
FORWARD_CHANCE: Final = 0.5  # that a write at a follower is forwarded instead of refused


class Call(msgspec.Struct):
    """One operation as its client sees it. ``open_attempts``: those that may still be executed."""

    number: int
    kind: Kind
    key: str
    argument: Value
    expected: Value
    call: int
    open_attempts: int = 0
    is_over: bool = False


class Clients:
    """All clients of a run, and the history of what they did."""

    def __init__(self, world: "World", rng: Random) -> None:
        self.world = world
        self.rng = rng
        self.history: list[Operation] = []
        self.acknowledged: list[int] = []
        self.is_stopped = False
        self._count = 0
        self._writes: list[Call] = []  # that nobody has answered yet
        self._last_seen: dict[str, Value] = {}

    def start(self) -> None:
        """Let every client begin."""
        for _ in range(self.world.profile.client_count):
            self._think()

    def _think(self) -> None:
        if not self.is_stopped:
            pause_s = self.rng.expovariate(1 / self.world.profile.think_s)
            self.world.after(pause_s, self._begin)

    def _begin(self) -> None:
        rng, profile = self.rng, self.world.profile
        self._count += 1
        key = f"k{rng.randrange(profile.key_count)}"
        kind = rng.choice(KINDS)
        expected = self._last_seen.get(key) if kind is Kind.CAS else None
        argument = self._count if kind in (Kind.PUT, Kind.CAS) else None
        stamp = self.world.stamp()
        call = Call(self._count, kind, key, argument, expected, stamp)
        self.world.tell("client", call.number, kind.value, key, argument, expected)
        if kind is Kind.GET:
            self.read(call, self._choose(), lease_allowed=rng.random() < profile.lease_share)
            self.world.after(profile.patience_s, lambda: self._end(call))
        else:
            self._writes.append(call)
            self._write(call)

    def _choose(self) -> SimServer:
        """Mostly one that leads, or still believes so; or any."""
        leaders = [server for server in self.world.live if server.is_leader]
        if leaders and self.rng.random() < 0.7:
            return self.rng.choice(leaders)
        return self.rng.choice(list(self.world.servers.values()))

    def _end(self, call: Call) -> None:
        """The client goes on with another operation."""
        if not call.is_over:
            call.is_over = True
            if call.kind is not Kind.GET:
                self._writes.remove(call)
            self._think()

    # --- reads ---

    def read(self, call: Call, server: SimServer, *, lease_allowed: bool) -> None:
        """Read at a server; what it serves must be as new as all that was final at the call."""
        floor = self.world.checkers.truth.commit_index

        def answer(answered: ReadReady | ReadFailed, machine: Machine) -> None:
            self.world.tell("client", call.number, "told", answered)
            if isinstance(answered, ReadReady):
                require(
                    machine.applied_index >= floor,
                    "a stale read",
                    server.name,
                    call,
                    f"applied {machine.applied_index}, final before the call {floor}",
                )
                if not call.is_over:
                    self._record(call, machine.get(call.key))
            self._end(call)

        server.read(answer, lease_allowed=lease_allowed)

    # --- writes ---

    def _write(self, call: Call) -> None:
        self.world.after(self.world.profile.patience_s, lambda: self._lose_patience(call))
        server = self._choose()
        command = Command(
            call.number,
            call.kind,
            call.key,
            call.argument,
            call.expected,
            bytes(self.rng.randint(0, self.world.profile.padding_bytes_max)),
        )
        payload = encode(command)
        if server.core is None:
            return
        leader_id = server.core.leader_id
        if not server.is_leader and leader_id and self.rng.random() < FORWARD_CHANCE:
            self._forward(call, server, self.world.servers[leader_id], payload)
        else:
            call.open_attempts += 1
            server.propose(payload, lambda answered: self._on_answer(call, answered))

    def _forward(self, call: Call, server: SimServer, leader: SimServer, payload: bytes) -> None:
        assert server.core is not None
        world, term = self.world, server.core.term

        def come_back(answered: Done | Lost | Refused) -> None:
            for delay_s in world.network.delays_s(leader.name, server.name)[:1]:
                world.after(delay_s, lambda: self._on_answer(call, answered))

        for delay_s in world.network.delays_s(server.name, leader.name):
            call.open_attempts += 1
            world.after(delay_s, lambda: leader.propose(payload, come_back, term))

    def _on_answer(self, call: Call, answered: Done | Lost | Refused) -> None:
        self.world.tell("client", call.number, "told", answered)
        if isinstance(answered, Done):
            self.acknowledged.append(call.number)
            if not call.is_over:
                assert answered.result is not None
                self._record(call, answered.result)
                self._end(call)
            return
        call.open_attempts -= 1
        if not call.open_attempts:
            self._end(call)  # it never happened and never will

    def _lose_patience(self, call: Call) -> None:
        if call.is_over:
            return
        if self.rng.random() < REPEAT_CHANCE and not self.is_stopped:
            self._write(call)
        else:
            self._give_up(call)

    def _give_up(self, call: Call) -> None:
        if call.open_attempts:
            self.history.append(_operation(call, None, None))
        self._end(call)

    def _record(self, call: Call, result: Value | bool) -> None:
        self.history.append(_operation(call, self.world.stamp(), result))
        if call.kind is Kind.GET:
            self._last_seen[call.key] = result
        elif call.kind is Kind.PUT or result is True:
            self._last_seen[call.key] = call.argument

    def stop(self) -> None:
        """Begin no more operations."""
        self.is_stopped = True

    def give_up(self) -> None:
        """The outcome of what is still under way will never be known."""
        for call in list(self._writes):
            self._give_up(call)


def _operation(call: Call, returned: int | None, result: Value | bool) -> Operation:
    return Operation(
        call=call.call,
        returned=returned,
        key=call.key,
        kind=call.kind,
        argument=call.argument,
        expected=call.expected,
        result=result,
    )
