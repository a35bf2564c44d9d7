"""What was dropped or looked wrong: counted by reason always, logged by reason now and then.

A stranger may send ten thousand bad packets a second. Each costs one addition; the log gets one
line for each reason in ten seconds, with the count since the last one.
Limits: reasons come from fixed sets (``where`` of the driver, ``Reason`` of the wire, ``Warn`` of
the core), never from the network, so the table stays small.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from gossip.wire.errors import WireError

LOG_INTERVAL_S: Final = 10.0  # seldom enough for a flood, often enough for an operator who looks
DETAIL_CHARACTERS_MAX: Final = 300  # a detail may quote the network

_log = logging.getLogger("gossip")


class Drops:
    """Counts by reason."""

    def __init__(self, node: str, monotonic_s: Callable[[], float]) -> None:
        self._node = node
        self._monotonic_s = monotonic_s
        self._logged: dict[str, tuple[float, int]] = {}
        self.counts: Counter[str] = Counter()

    def count(self, reason: str, detail: str = "") -> None:
        """Count one drop for ``reason``; ``detail`` is for the log."""
        self.counts[reason] += 1
        now = self._monotonic_s()
        logged = self._logged.get(reason)
        if logged is not None and now - logged[0] < LOG_INTERVAL_S:
            return
        count = self.counts[reason]
        more = count - (logged[1] if logged is not None else 0)
        self._logged[reason] = (now, count)
        shown = detail[:DETAIL_CHARACTERS_MAX]
        _log.warning("%s: %s (%d times): %s", self._node, reason, more, shown)

    def refused(self, where: str, error: WireError) -> None:
        """Count bytes that the wire layer refused."""
        self.count(f"{where} {error.reason}", error.detail)
