"""Membership of one node: every message and timer goes to the mechanism that it is for."""

from collections.abc import Callable
from typing import assert_never

from gossip.core.effects import AnswerStream
from gossip.core.members import Members
from gossip.core.probe import Prober
from gossip.core.push_pull import Exchanger
from gossip.core.schedule import Timer, TimerKind
from gossip.core.spread import Spreader
from gossip.core.surroundings import Surroundings
from gossip.core.types import (
    Ack,
    Address,
    Alive,
    ClusterMessage,
    Dead,
    ErrorReply,
    IndirectPing,
    Nack,
    PacketMessage,
    Ping,
    PushPull,
    StreamMessage,
    Suspect,
    UserMessage,
)


class Swim:
    """Dispatch only. ``deliver`` takes the messages of the cluster layer."""

    def __init__(
        self,
        around: Surroundings,
        members: Members,
        prober: Prober,
        exchanger: Exchanger,
        spreader: Spreader,
        deliver: Callable[[ClusterMessage], None],
    ) -> None:
        self._around = around
        self._members = members
        self._prober = prober
        self._exchanger = exchanger
        self._spreader = spreader
        self._deliver = deliver

    def start(self) -> None:
        """Start the three loops."""
        self._prober.start()
        self._spreader.start()
        self._exchanger.start()

    def packet(self, message: PacketMessage, sender: Address) -> None:
        """Take one message of a datagram."""
        match message:
            case Ping():
                self._prober.ping(message, sender)
            case Ack():
                self._prober.ack(message)
            case UserMessage(message=inner):
                self._deliver(inner)
            case Alive():
                self._members.alive(message)
            case Suspect():
                self._members.suspect(message)
            case Dead():
                self._members.dead(message)
            case IndirectPing():
                self._prober.indirect_ping(message, sender)
            case Nack():
                self._prober.nack(message)
            case _:
                assert_never(message)

    def stream(self, stream: int, message: StreamMessage) -> None:
        """Take the request of an accepted connection."""
        match message:
            case PushPull():
                self._exchanger.requested(stream, message)
            case Ping():
                self._prober.stream_ping(stream, message)
            case UserMessage(message=inner):
                self._deliver(inner)
                self._around.emit(AnswerStream(stream, None))
            case Ack() | ErrorReply():
                self._around.warn("stream that starts with an answer")
                self._around.emit(AnswerStream(stream, None))
            case _:
                assert_never(message)

    def stream_answered(self, stream: int, message: StreamMessage | None, error: str) -> None:
        """Take the end of a stream that we opened; late ones are ignored."""
        if not self._exchanger.answered(stream, message, error):
            self._prober.stream_answered(stream, message)

    def timer(self, timer: Timer) -> bool:
        """Do what ``timer`` stands for; False when it is none of membership."""
        match timer:
            case Timer(TimerKind.PROBE):
                self._prober.tick()
            case Timer(TimerKind.PROBE_TIMEOUT, int(sequence)):
                self._prober.timeout(sequence)
            case Timer(TimerKind.PROBE_END, int(sequence)):
                self._prober.end(sequence)
            case Timer(TimerKind.RELAY_END, int(sequence)):
                self._prober.relay_ended(sequence)
            case Timer(TimerKind.SUSPICION, str(name)):
                self._members.suspicion_expired(name)
            case Timer(TimerKind.GOSSIP):
                self._spreader.tick()
            case Timer(TimerKind.PUSH_PULL):
                self._exchanger.tick()
            case Timer(TimerKind.STREAM_END, int(stream)):
                self._exchanger.expired(stream)
            case _:
                return False
        return True
