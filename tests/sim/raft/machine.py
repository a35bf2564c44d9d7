"""The state machine under test: a key-value store that keeps a sum of everything it was told.

A command carries the number of the client's operation; executed once, it is answered with the
first result for ever, so a client may repeat it. ``digest`` is a running sum over every entry, so
two machines at one index with one digest have the same past.
"""

import struct
import zlib
from typing import TypeAlias

import msgspec

from raft.entries import Entry, Kind
from tests.sim.raft import linearizability
from tests.sim.raft.linearizability import Value

Result: TypeAlias = int | bool | None

_HEAD = struct.Struct("<QQB")


class Command(msgspec.Struct, frozen=True, array_like=True):
    """What an operation asks for. ``padding`` makes entries differ in size."""

    number: int
    kind: linearizability.Kind
    key: str
    argument: Value = None
    expected: Value = None
    padding: bytes = b""


class State(msgspec.Struct, array_like=True):
    """Everything the machine knows, as a snapshot holds it."""

    applied_index: int = 0
    digest: int = 0
    values: dict[str, int] = {}
    results: dict[int, Result] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Command).decode
_decode_state = msgspec.msgpack.Decoder(State).decode


def encode(command: Command) -> bytes:
    """The payload of a command's entry."""
    return _encode(command)


def number_of(entry: Entry) -> int | None:
    """The operation that an entry belongs to; None for the log's own entries."""
    return _decode(entry.payload).number if entry.kind is Kind.COMMAND else None


class Machine:
    """One server's copy."""

    def __init__(self) -> None:
        self.state = State()

    @property
    def applied_index(self) -> int:
        return self.state.applied_index

    @property
    def digest(self) -> int:
        return self.state.digest

    def get(self, key: str) -> Value:
        return self.state.values.get(key)

    def apply(self, entry: Entry) -> Result:
        """Execute the next entry."""
        state = self.state
        assert entry.index == state.applied_index + 1, "entries must come without a hole"
        state.applied_index = entry.index
        head = _HEAD.pack(entry.index, entry.term, entry.kind)
        state.digest = zlib.crc32(entry.payload, zlib.crc32(head, state.digest))
        if entry.kind is not Kind.COMMAND:
            return None
        command = _decode(entry.payload)
        if command.number not in state.results:
            state.results[command.number] = self._execute(command)
        return state.results[command.number]

    def _execute(self, command: Command) -> Result:
        values = self.state.values
        present = values.get(command.key)
        if command.kind is linearizability.Kind.CAS and present != command.expected:
            return False
        if command.kind is linearizability.Kind.DELETE:
            values.pop(command.key, None)
        else:
            assert command.argument is not None
            values[command.key] = command.argument
        return True

    def freeze(self) -> bytes:
        """The state as bytes."""
        return _encode(self.state)

    def restore(self, content: bytes) -> None:
        """Replace the state."""
        self.state = _decode_state(content)
