"""Failure detection: probe one node at a time, ask others to try, and suspect the silent.

Round trip in order: a UDP ping; after ``probe_timeout_s`` indirect pings through others and a
TCP ping of our own; at the end of the interval the verdict. Helpers answer with a nack when the
target is silent for them too, which tells us that we are not deaf ourselves.
Source: SWIM §3.1; Lifeguard, arXiv:1707.00788 (LHA-Probe).
"""

from typing import Final, Protocol

import msgspec

from gossip.core.effects import AnswerStream, OpenStream, SendPacket
from gossip.core.members import Members
from gossip.core.piggyback import Piggyback
from gossip.core.schedule import Timer, TimerKind
from gossip.core.surroundings import Surroundings
from gossip.core.table import Node, NodeTable
from gossip.core.types import (
    UINT32_MASK,
    Ack,
    Address,
    Coordinate,
    IndirectPing,
    Nack,
    Ping,
    State,
    StreamMessage,
    Suspect,
)

TCP_PING_VERSION: Final = 3  # protocol maximum from which a node answers TCP pings
NACK_VERSION: Final = 4  # ... from which a helper sends nacks
CHECKSUM_VERSION: Final = 5  # ... from which a node reads the CRC layer
RELAYS_MAX: Final = 1024  # pings under way for others; each ends after the probe timeout


class RoundTrips(Protocol):
    """Measures what probes see: network coordinates."""

    def own(self) -> Coordinate | None:
        """What our acks carry."""
        ...

    def observe(self, node: str, coordinate: Coordinate, round_trip_s: float) -> None:
        """A direct ack came back with the coordinate of ``node``."""
        ...


class _Probe(msgspec.Struct):
    """The probe under way."""

    sequence: int
    target: Node
    sent_at: float
    end_at: float
    is_indirect: bool = False
    nacks_expected: int = 0
    nack_count: int = 0
    stream: int = -1
    tcp_answered: bool = False


class _Relay(msgspec.Struct, frozen=True):
    """A ping we sent for somebody else."""

    sequence: int
    requester: Address
    wants_nack: bool


class Prober:
    """Probes of one node, and its duties in the probes of others."""

    def __init__(
        self,
        around: Surroundings,
        table: NodeTable,
        members: Members,
        piggyback: Piggyback,
        round_trips: RoundTrips,
    ) -> None:
        self._around = around
        self._table = table
        self._members = members
        self._piggyback = piggyback
        self._round_trips = round_trips
        self._sequence = 0
        self._probe: _Probe | None = None
        self._is_tick_missed = False
        self._relays: dict[int, _Relay] = {}

    def start(self) -> None:
        """Begin after a random part of an interval, so that a pool does not probe in step."""
        around = self._around
        stagger_s = around.rng.random() * around.config.probe_interval_s
        around.schedule.set(Timer(TimerKind.PROBE), around.now + stagger_s)

    def tick(self) -> None:
        """Probe the next node, or as soon as the probe under way has ended."""
        around = self._around
        around.schedule.set(Timer(TimerKind.PROBE), around.now + around.config.probe_interval_s)
        if self._probe is not None:
            self._is_tick_missed = True
            return
        kept_since = around.now - around.config.gossip_to_dead_s
        target = self._table.next_target(around.config.name, kept_since)
        if target is not None:
            self._start(target)

    # --- our own probe ---

    def _start(self, target: Node) -> None:
        around, config = self._around, self._around.config
        sequence = self._next_sequence()
        end_at = around.now + self._members.awareness.scaled_s(config.probe_interval_s)
        self._probe = _Probe(sequence, target, around.now, end_at)
        around.schedule.set(
            Timer(TimerKind.PROBE_TIMEOUT, sequence), around.now + config.probe_timeout_s
        )
        around.schedule.set(Timer(TimerKind.PROBE_END, sequence), end_at)
        ping = Ping(sequence, target.name, config.address, config.name)
        if target.state is State.ALIVE:
            self._piggyback.send(target.address, ping)
        else:
            # The accusation rides along, so that the target can refute at once.
            suspect = Suspect(target.incarnation, target.name, config.name)
            checksum = target.versions.protocol_max >= CHECKSUM_VERSION
            around.emit(SendPacket(target.address, (ping, suspect), checksum))

    def timeout(self, sequence: int) -> None:
        """The direct ping got no answer in time: ask others, and try TCP."""
        probe = self._probe
        assert probe is not None
        assert probe.sequence == sequence
        around, config, target = self._around, self._around.config, probe.target
        probe.is_indirect = True
        peers = self._table.choose(
            config.indirect_checks,
            lambda n: n.state is State.ALIVE and n.name not in {config.name, target.name},
        )
        for peer in peers:
            wants_nack = peer.versions.protocol_max >= NACK_VERSION
            probe.nacks_expected += wants_nack
            request = IndirectPing(
                sequence, target.address, target.name, wants_nack, config.address, config.name
            )
            self._piggyback.send(peer.address, request)
        if config.tcp_pings and target.versions.protocol_max >= TCP_PING_VERSION:
            probe.stream = around.next_stream()
            ping = Ping(sequence, target.name, config.address, config.name)
            around.emit(OpenStream(probe.stream, target.address, target.name, ping, probe.end_at))

    def stream_answered(self, stream: int, message: StreamMessage | None) -> bool:
        """Take the answer to our TCP ping; False when ``stream`` is none of ours."""
        probe = self._probe
        if probe is None or probe.stream != stream:
            return False
        probe.tcp_answered = isinstance(message, Ack) and message.sequence == probe.sequence
        return True

    def end(self, sequence: int) -> None:
        """Time is up for the probe: the verdict."""
        probe = self._probe
        assert probe is not None
        assert probe.sequence == sequence
        if probe.tcp_answered:
            self._around.warn("only TCP reaches this node, check UDP", node=probe.target.name)
            self._succeed()
            return
        missing = probe.nacks_expected - probe.nack_count
        self._members.awareness.add(missing if probe.nacks_expected else 1)
        target = probe.target
        self._finish()
        self._members.suspect(Suspect(target.incarnation, target.name, self._around.config.name))

    def send_refused(self, sequence: int) -> None:
        """Our own socket failed: that says nothing about the target."""
        if self._probe is not None and self._probe.sequence == sequence:
            self._finish()

    def ack(self, message: Ack) -> None:
        """An answer to our probe, or to a ping that we sent for somebody else."""
        probe, relay = self._probe, self._relays.pop(message.sequence, None)
        if relay is not None:
            self._around.schedule.cancel(Timer(TimerKind.RELAY_END, message.sequence))
            self._piggyback.send(relay.requester, Ack(relay.sequence))
        elif probe is not None and probe.sequence == message.sequence:
            if message.coordinate is not None and not probe.is_indirect:
                round_trip_s = self._around.now - probe.sent_at
                self._round_trips.observe(probe.target.name, message.coordinate, round_trip_s)
            self._succeed()

    def nack(self, message: Nack) -> None:
        """A helper hears us but not the target."""
        probe = self._probe
        if probe is not None and probe.sequence == message.sequence:
            probe.nack_count = min(probe.nack_count + 1, probe.nacks_expected)

    def _succeed(self) -> None:
        self._members.awareness.add(-1)
        self._finish()

    def _finish(self) -> None:
        assert self._probe is not None
        schedule, sequence = self._around.schedule, self._probe.sequence
        schedule.cancel(Timer(TimerKind.PROBE_TIMEOUT, sequence))
        schedule.cancel(Timer(TimerKind.PROBE_END, sequence))
        self._probe = None
        if self._is_tick_missed:
            self._is_tick_missed = False
            schedule.set(Timer(TimerKind.PROBE), self._around.now)

    # --- duties for others ---

    def ping(self, message: Ping, sender: Address) -> None:
        """Answer a ping that is for us or for nobody by name."""
        if message.node in {"", self._around.config.name}:
            ack = Ack(message.sequence, self._round_trips.own())
            self._piggyback.send(message.source or sender, ack)
        else:
            self._around.warn("ping for another node", node=message.node)

    def stream_ping(self, stream: int, message: Ping) -> None:
        """Answer a TCP ping; a wrong name gets no answer."""
        is_mine = message.node in {"", self._around.config.name}
        self._around.emit(AnswerStream(stream, Ack(message.sequence) if is_mine else None))

    def indirect_ping(self, message: IndirectPing, sender: Address) -> None:
        """Ping the target for somebody else."""
        around, config = self._around, self._around.config
        if len(self._relays) >= RELAYS_MAX:
            around.warn("too many indirect pings", node=message.node)
            return
        sequence = self._next_sequence()
        self._relays[sequence] = _Relay(message.sequence, message.source or sender, message.nack)
        around.schedule.set(
            Timer(TimerKind.RELAY_END, sequence), around.now + config.probe_timeout_s
        )
        target = message.target
        if target.port == 0:
            target = Address(target.ip, config.address.port)
        self._piggyback.send(target, Ping(sequence, message.node, config.address, config.name))

    def relay_ended(self, sequence: int) -> None:
        """The target is silent for us as well."""
        relay = self._relays.pop(sequence)
        if relay.wants_nack:
            self._piggyback.send(relay.requester, Nack(relay.sequence))

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & UINT32_MASK
        return self._sequence
