"""Many calls, spread over the loop: what thousands of open connections are told costs each turn of
the loop no more than ``SLICE_S``, so that traffic goes on in between."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

SLICE_S: Final = 0.005  # a quarter of what a request may be held up by a new configuration
SLICE_CALLS_MAX: Final = 64
"""In one turn, however quick: a call may leave work for the next turn, as the end of a connection
does, which its own time does not show."""

Call = Callable[[], None]


class Notices:
    """Calls that are due; one that is due twice is made once, after it was asked for last.

    ``soon`` makes a call in the next turn of the loop; ``failed`` is told of one that raised.
    """

    def __init__(
        self,
        *,
        soon: Callable[[Call], object],
        now_s: Callable[[], float],
        failed: Callable[[Exception], None],
    ) -> None:
        self._soon = soon
        self._now_s = now_s
        self._failed = failed
        self._due: OrderedDict[Call, None] = OrderedDict()
        self._is_running = False

    def add(self, calls: Iterable[Call]) -> None:
        """Make these calls, from the next turn of the loop on."""
        self._due.update(dict.fromkeys(calls))
        if self._due and not self._is_running:
            self._is_running = True
            self._soon(self._slice)

    def drop(self, call: Call) -> None:
        """Make a call no more."""
        self._due.pop(call, None)

    def _slice(self) -> None:
        end_s = self._now_s() + SLICE_S
        for _turn in range(SLICE_CALLS_MAX):
            if not self._due or self._now_s() >= end_s:
                break
            call, _ = self._due.popitem(last=False)
            try:
                call()
            except Exception as error:  # noqa: BLE001 - one connection's fault is not the others'
                self._failed(error)
        self._is_running = bool(self._due)
        if self._is_running:
            self._soon(self._slice)
