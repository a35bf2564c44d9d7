"""Laid-out answers by question, dropped as soon as the rows behind them change.

The key is a query's bytes after its id: flags, question and EDNS, so the same key always gets an
answer of the same form. There is one cache a transport. Queries with EDNS options (cookies,
subnets) differ for each client and are never kept; nor is what the catalog cannot watch.
"""

from collections.abc import Callable
from typing import Final

from agent.dns.directory import Cancel, Subscribe
from agent.dns.packet import Packet

ENTRIES_MAX: Final = 8192  # questions; a host asks for some hundreds, so a flood only evicts
BYTES_MAX: Final = 32 * 1024 * 1024  # of memory; bounds large services asked in many forms


class _Entry:
    __slots__ = ("cancels", "packet")

    def __init__(self, packet: Packet) -> None:
        self.packet = packet
        self.cancels: list[Cancel] = []


class AnswerCache:
    """A bounded map from question bytes to packets; the oldest goes first.

    ``generation`` changes with ``clear``, so that an answer begun under old settings is not kept
    under the new ones.
    """

    def __init__(self, *, entries_max: int = ENTRIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self.generation = 0
        self.size_bytes = 0
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._entries: dict[bytes, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, question: bytes) -> Packet | None:
        """The packet kept for these bytes."""
        entry = self._entries.get(question)
        return None if entry is None else entry.packet

    def keep(
        self, question: bytes, packet: Packet, watches: tuple[Subscribe, ...], *, generation: int
    ) -> None:
        """Keep a packet until one of its watches fires, it is the oldest, or all are cleared."""
        if generation != self.generation or packet.size_bytes > self._bytes_max:
            return
        self._remove(question)
        entry = _Entry(packet)
        self._entries[question] = entry
        self.size_bytes += packet.size_bytes + len(question)
        drop = self._dropper(question, entry)
        for subscribe in watches:
            entry.cancels.append(subscribe(drop))
            if self._entries.get(question) is not entry:  # it had changed already
                _cancel(entry)
                return
        while len(self._entries) > self._entries_max or self.size_bytes > self._bytes_max:
            self._remove(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything; answers still being made are not kept either."""
        self.generation += 1
        for question in list(self._entries):
            self._remove(question)

    def _dropper(self, question: bytes, entry: _Entry) -> Callable[[], None]:
        def drop() -> None:
            if self._entries.get(question) is entry:
                self._remove(question)

        return drop

    def _remove(self, question: bytes) -> None:
        entry = self._entries.pop(question, None)
        if entry is not None:
            self.size_bytes -= entry.packet.size_bytes + len(question)
            _cancel(entry)


def _cancel(entry: _Entry) -> None:
    for cancel in entry.cancels:
        cancel()
    entry.cancels.clear()
