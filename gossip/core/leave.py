"""Leaving in peace: say so twice, once in each layer, and stay until the word is out.

The leave intent comes first, so that nobody takes the silence for a failure; then membership's
own goodbye; then a pause in which we still answer probes. Nobody waits for peers that are not
there. Source: Serf's leave.
"""

from collections.abc import Callable
from enum import Enum, auto

from gossip.core.effects import Completed
from gossip.core.inputs import Leave
from gossip.core.intents import Intents
from gossip.core.members import Members
from gossip.core.roster import Roster
from gossip.core.schedule import Timer, TimerKind
from gossip.core.snapshot import Recorder
from gossip.core.surroundings import Surroundings
from gossip.core.table import NodeTable
from gossip.core.types import Status


class Phase(Enum):
    """How far the leave is."""

    MEMBER = auto()
    INTENT_SENT = auto()
    GOODBYE_SENT = auto()
    WAITING = auto()
    LEFT = auto()


class Leaver:
    """The leave of this node; there is no way back."""

    def __init__(
        self,
        around: Surroundings,
        table: NodeTable,
        roster: Roster,
        members: Members,
        intents: Intents,
        recorder: Recorder,
    ) -> None:
        self._around = around
        self._table = table
        self._roster = roster
        self._members = members
        self._intents = intents
        self._recorder = recorder
        self._request = 0
        self._has_peers = False
        self.phase = Phase.MEMBER

    def leave(self, command: Leave) -> None:
        """Begin to leave."""
        if self.phase is not Phase.MEMBER:
            self._around.emit(Completed(command.request, "this node is leaving or has left"))
            return
        self._request = command.request
        self.phase = Phase.INTENT_SENT
        name = self._around.config.name
        me = self._roster.get(name)
        assert me is not None
        self._roster.set_status(me, Status.LEAVING, self._around.now)
        self._recorder.leave()
        self._say(lambda done: self._intents.announce_leave(name, done=done))

    def step(self) -> None:
        """The current phase is over: its word is out, or its time."""
        around = self._around
        match self.phase:
            case Phase.INTENT_SENT:
                self.phase = Phase.GOODBYE_SENT
                self._say(self._members.leave)
            case Phase.GOODBYE_SENT:
                self.phase = Phase.WAITING
                pause_s = around.config.leave_propagate_s if self._has_peers else 0.0
                around.schedule.set(Timer(TimerKind.LEAVE_STEP), around.now + pause_s)
            case Phase.WAITING:
                self.phase = Phase.LEFT
                around.emit(Completed(self._request))
            case Phase.MEMBER | Phase.LEFT:
                raise AssertionError("no leave under way")

    def _say(self, speak: Callable[[Callable[[], None]], None]) -> None:
        """Speak, and step again when it was heard; at once when nobody listens."""
        around, phase = self._around, self.phase
        self._has_peers = self._table.alive_count > 1
        wait_s = around.config.broadcast_timeout_s if self._has_peers else 0.0
        around.schedule.set(Timer(TimerKind.LEAVE_STEP), around.now + wait_s)

        def heard() -> None:
            if self.phase is phase:
                around.schedule.set(Timer(TimerKind.LEAVE_STEP), around.now)

        speak(heard)
