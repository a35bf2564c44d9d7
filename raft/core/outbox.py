"""Messages on their way out; those that promise something wait until it is durable.

A promise is a vote, an accepted append, an installed snapshot. The driver cannot get the order
wrong: it only ever sees messages that may leave.
"""

from collections import deque
from typing import NamedTuple

from raft.core.types import Message, Outgoing


class _Held(NamedTuple):
    sequence_needed: int
    outgoing: Outgoing


class Outbox:
    """What one server says. Messages to itself are its own votes; they wait like any other."""

    __slots__ = ("_free", "_held", "_server_id")

    def __init__(self, server_id: str) -> None:
        self._server_id = server_id
        self._free: list[Outgoing] = []
        self._held: deque[_Held] = deque()

    def send(self, peer_id: str, message: Message) -> None:
        """Nothing has to be durable for this one."""
        self._free.append(Outgoing(peer_id, message))

    def hold(self, peer_id: str, message: Message, sequence_needed: int) -> None:
        """Keep it until write ``sequence_needed`` is durable."""
        self._held.append(_Held(sequence_needed, Outgoing(peer_id, message)))

    def release(self, persisted_sequence: int) -> list[Message]:
        """Let go what is now durable; returns what this server has to say to itself."""
        own: list[Message] = []
        while self._held and self._held[0].sequence_needed <= persisted_sequence:
            outgoing = self._held.popleft().outgoing
            if outgoing.peer_id == self._server_id:
                own.append(outgoing.message)
            else:
                self._free.append(outgoing)
        return own

    def forget_held(self) -> None:
        """The term is over: nobody waits for its promises any more."""
        self._held.clear()

    def take(self) -> list[Outgoing]:
        """Everything free to leave, in order."""
        free, self._free = self._free, []
        return free
