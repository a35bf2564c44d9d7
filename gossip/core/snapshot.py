"""The snapshot file: what lets a restarted node find its pool again and not repeat old events.

Text lines, appended: ``alive: NAME IP:PORT``, ``not-alive: NAME``, ``clock: N``,
``event-clock: N``, ``query-clock: N``, ``leave``; ``#`` starts a comment. A name may contain
blanks: the address follows the last one. What cannot be read is skipped, a last line without its
newline as well. Source: Serf's snapshot file; both read each other's.
"""

from ipaddress import ip_address
from typing import Final

import msgspec

from gossip.core.effects import AppendSnapshot, ReplaceSnapshot
from gossip.core.lamport import Clocks
from gossip.core.schedule import Timer, TimerKind
from gossip.core.surroundings import Surroundings
from gossip.core.types import Address, LamportTime, normalized_ip

FLUSH_INTERVAL_S: Final = 0.5  # lines of a burst are written together; a crash loses this much
COMPACT_BYTES_MIN: Final = 128 * 1024  # smaller files are read at once whatever they hold
COMPACT_BYTES_PER_MEMBER: Final = 128  # about one line
COMPACT_FACTOR: Final = 2  # ... twice over: half of the file is out of date
LINE_BYTES_MAX: Final = 4096  # longer "lines" are damage: a name is at most 512 bytes
CLOCK_MAX: Final = (1 << 64) - 1  # Lamport times are u64


class Replay(msgspec.Struct):
    """What a snapshot file adds up to."""

    alive: dict[str, Address]
    time: LamportTime = LamportTime(0)
    event_time: LamportTime = LamportTime(0)
    query_time: LamportTime = LamportTime(0)
    size_bytes: int = 0
    unreadable_count: int = 0

    def forget(self) -> None:
        """The node left on purpose: start afresh."""
        self.alive.clear()
        self.time = self.event_time = self.query_time = LamportTime(0)


def replay(content: bytes, *, rejoin_after_leave: bool = False) -> Replay:
    """Read a snapshot file. Never raises: damage is skipped and counted."""
    result = Replay(alive={}, size_bytes=len(content))
    for raw in content.split(b"\n")[:-1]:
        # After a power loss a tail of NUL bytes may stand before the next line.
        line = raw.rpartition(b"\0")[2][:LINE_BYTES_MAX].decode(errors="replace")
        if not _apply(result, line, rejoin_after_leave=rejoin_after_leave):
            result.unreadable_count += 1
    return result


def alive_line(name: str, address: Address) -> str:
    """The line for a member that is there."""
    ip = ip_address(address.ip)
    host = f"[{ip}]" if ip.version == 6 else str(ip)
    return f"alive: {name} {host}:{address.port}"


def _apply(result: Replay, line: str, *, rejoin_after_leave: bool) -> bool:
    kind, _, rest = line.partition(": ")
    match kind:
        case "alive":
            name, _, where = rest.rpartition(" ")
            address = _parse_address(where)
            if address is None or not name:
                return False
            result.alive[name] = address
        case "not-alive":
            result.alive.pop(rest, None)
        case "clock" | "event-clock" | "query-clock":
            if not (rest.isascii() and rest.isdecimal()) or len(rest) > 20:
                return False
            time = LamportTime(min(int(rest), CLOCK_MAX))
            field = {"clock": "time", "event-clock": "event_time", "query-clock": "query_time"}
            setattr(result, field[kind], time)
        case "leave":
            if not rejoin_after_leave:
                result.forget()
        case _:
            # Comments, and coordinates that old versions wrote, mean nothing now.
            return line.startswith("#") or kind == "coordinate"
    return True


def _parse_address(text: str) -> Address | None:
    host, _, port = text.rpartition(":")
    try:
        ip = normalized_ip(ip_address(host.strip("[]")).packed)
        address = Address(ip, int(port))
    except ValueError:
        return None
    return address if 0 <= address.port <= 0xFFFF else None


class Recorder:
    """Writes the snapshot of one node. Pending lines are bounded by one flush interval."""

    def __init__(self, around: Surroundings, clocks: Clocks) -> None:
        self._around = around
        self._clocks = clocks
        self._is_on = around.config.snapshot
        self._alive: dict[str, Address] = {}
        self._pending: list[str] = []
        self._written: dict[str, int] = {}
        self._bytes = 0
        self._has_left = False

    def restore(self, history: Replay) -> None:
        """Go on with the file of the last run; its members count until they are gone."""
        self._alive.update(history.alive)
        self._bytes = history.size_bytes

    def start(self) -> None:
        """Begin to write."""
        if self._is_on:
            self._around.schedule.set(
                Timer(TimerKind.SNAPSHOT), self._around.now + FLUSH_INTERVAL_S
            )

    def joined(self, name: str, address: Address) -> None:
        """A member is there."""
        if self._is_on and not self._has_left:
            self._alive[name] = address
            self._pending.append(alive_line(name, address))

    def gone(self, name: str) -> None:
        """A member failed or left."""
        if self._is_on and not self._has_left and self._alive.pop(name, None) is not None:
            self._pending.append(f"not-alive: {name}")

    def leave(self) -> None:
        """We leave on purpose; from here on only clocks are written."""
        if not self._is_on:
            return
        self._has_left = True
        if not self._around.config.rejoin_after_leave:
            self._alive.clear()
        self._pending.append("leave")
        self.flush(sync=True)

    def tick(self) -> None:
        """Write what has gathered."""
        self._around.schedule.set(Timer(TimerKind.SNAPSHOT), self._around.now + FLUSH_INTERVAL_S)
        self.flush(sync=False)

    def flush(self, *, sync: bool) -> None:
        """Write pending lines and clocks that moved; compact when the file is mostly stale."""
        for line, value in self._clock_values():
            if value > self._written.get(line, 0):
                self._written[line] = value
                self._pending.append(f"{line}: {value}")
        if not self._pending:
            return
        lines, self._pending = tuple(self._pending), []
        self._bytes += sum(len(line.encode()) + 1 for line in lines)
        self._around.emit(AppendSnapshot(lines, sync))
        members_bytes = COMPACT_FACTOR * COMPACT_BYTES_PER_MEMBER * len(self._alive)
        if self._bytes > max(COMPACT_BYTES_MIN, members_bytes) and not self._has_left:
            self._compact()

    def _compact(self) -> None:
        lines = [alive_line(name, address) for name, address in self._alive.items()]
        lines += [f"{line}: {value}" for line, value in self._clock_values()]
        self._bytes = sum(len(line.encode()) + 1 for line in lines)
        self._around.emit(ReplaceSnapshot(tuple(lines)))

    def _clock_values(self) -> tuple[tuple[str, int], ...]:
        clocks = self._clocks
        return (
            ("clock", clocks.member.time - 1),
            ("event-clock", clocks.event.time - 1),
            ("query-clock", clocks.query.time - 1),
        )
