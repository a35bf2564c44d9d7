"""Live taps: shows an operator the requests and connections that match, as they pass.

Limits: ``TAPS_MAX`` at once; ``SHOWN_PER_SECOND_MAX`` of each, so that a tap on a busy proxy costs
little and floods nobody. What is not shown is not kept.
"""

from collections.abc import Callable
from typing import Final

from proxy.messages import Edge, Tap, Tapped
from proxy.serving import Record

TAPS_MAX: Final = 16  # operators that watch one host at the same time
SHOWN_PER_SECOND_MAX: Final = 500  # more than a terminal, let alone a person, can read


class Taps:
    """The taps of a worker. ``tell`` sends; ``random`` draws from [0, 1)."""

    def __init__(self, tell: Callable[[Tapped], None], random: Callable[[], float]) -> None:
        self._tell = tell
        self._random = random
        self._taps: dict[int, Tap] = {}
        self._shown: dict[int, tuple[int, int]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nobody watches: then nothing need be offered."""
        return not self._taps

    def set(self, tap: Tap) -> None:
        """Begin, change or end a tap."""
        if tap.stop:
            self._taps.pop(tap.number, None)
            self._shown.pop(tap.number, None)
        elif tap.number in self._taps or len(self._taps) < TAPS_MAX:
            self._taps[tap.number] = tap

    def clear(self) -> None:
        """End all: who watched is gone."""
        self._taps.clear()
        self._shown.clear()

    def offer(self, record: Record, edge: Edge, at_s: float) -> None:
        """Show what has ended to whom it concerns. ``at_s`` is the wall clock."""
        for tap in self._taps.values():
            if matches(tap, record, edge) and self._may_show(tap, at_s):
                self._tell(tapped(tap.number, record, edge, at_s))

    def _may_show(self, tap: Tap, at_s: float) -> bool:
        if tap.share < 100 and self._random() * 100 >= tap.share:
            return False
        second, count = self._shown.get(tap.number, (0, 0))
        if second != int(at_s):
            second, count = int(at_s), 0
        self._shown[tap.number] = (second, count + 1)
        return count < SHOWN_PER_SECOND_MAX


def matches(tap: Tap, record: Record, edge: Edge) -> bool:
    """Whether all conditions of a tap hold; an empty one always does."""
    return (
        tap.proxy in {"", edge.proxy}
        and tap.source in {"", edge.source}
        and tap.destination in {"", edge.destination}
        and record.path.startswith(tap.path_prefix)
        and tap.method in {"", record.method}
        and record.status >= tap.status_min
    )


def tapped(tap: int, record: Record, edge: Edge, at_s: float) -> Tapped:
    """A record as it is shown."""
    peer = record.facts.peer
    return Tapped(
        tap=tap,
        at_s=at_s,
        edge=edge,
        peer=record.facts.remote,
        peer_uri=peer.uri if peer else "",
        endpoint=record.endpoint,
        method=record.method,
        host=record.host,
        path=record.path,
        status=record.status,
        duration_ms=(record.ended_s - record.started_s) * 1000,
        bytes_received=record.bytes_received,
        bytes_sent=record.bytes_sent,
        attempts=record.attempts,
        flags=tuple(record.flags),
        detail=record.detail,
        trace_id=record.trace_id,
    )
