"""What the leader knows of one follower's log, and how it feeds it.

Probe: find where the logs agree, one message at a time. Replicate: send ahead, a window of
messages. Snapshot: what the follower needs is gone; send chunks. Source: etcd-io/raft, Progress.
Always ``0 <= match_index < next_index``.
"""

import math
from collections import deque
from enum import Enum

from raft.core.types import PeerStatus
from raft.entries import SnapshotMeta


class Mode(Enum):
    """How entries reach the follower."""

    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


class Sending:
    """A snapshot on its way: the follower has ``offset`` bytes; ``asked_at`` is the last try."""

    __slots__ = ("asked_at", "meta", "offset")

    def __init__(self, meta: SnapshotMeta, now: float) -> None:
        self.meta = meta
        self.offset = 0
        self.asked_at = now


class Progress:
    """``is_paused``: a probe is out. ``is_answering``: it answered a heartbeat since the last send.

    ``contact_at``: when it last answered; ``round_sent_at``: when the newest heartbeat that it
    answered had been sent. ``commit_sent``: the commit it has been told of; ``commit_asked``: the
    one that its reads wait for; ``notice_at``: when it is told of a newer one by itself, infinity
    when there is none.
    """

    __slots__ = (
        "commit_asked",
        "commit_sent",
        "contact_at",
        "in_flight",
        "is_answering",
        "is_paused",
        "match_index",
        "mode",
        "next_index",
        "notice_at",
        "round",
        "round_sent_at",
        "sending",
    )

    def __init__(self, next_index: int, now: float) -> None:
        self.match_index = 0
        self.next_index = next_index
        self.mode = Mode.PROBE
        self.is_paused = False
        self.is_answering = False
        self.in_flight: deque[int] = deque()  # last index of each message under way
        self.commit_sent = 0
        self.commit_asked = 0
        self.notice_at = math.inf
        self.contact_at = now  # a new peer counts as active, or the quorum would seem lost
        self.round = 0
        self.round_sent_at = -math.inf
        self.sending: Sending | None = None

    def accept(self, index: int) -> bool:
        """The follower holds the log up to ``index``. Returns whether that is news."""
        is_news = index > self.match_index
        if is_news:
            self.match_index = index
            self.next_index = max(self.next_index, index + 1)
        while self.in_flight and self.in_flight[0] <= index:
            self.in_flight.popleft()
        if self.mode is Mode.PROBE and index >= self.match_index:
            self.replicate()
        return is_news

    def refuse(self, index: int, hint_index: int) -> bool:
        """``index`` did not match; the logs may agree at ``hint_index``. False: it is old news.

        A probe of what is known to match is refused only by a server that lost its log: an
        operator wiped it and kept its id. It is fed anew.
        """
        if self.mode is Mode.SNAPSHOT:
            return False
        is_probe_answer = self.mode is Mode.PROBE and index == self.next_index - 1
        if is_probe_answer and index == self.match_index:
            self.match_index = min(self.match_index, hint_index)
        elif index <= self.match_index or (self.mode is Mode.PROBE and not is_probe_answer):
            return False
        self.probe(max(self.match_index + 1, min(index, hint_index + 1)))
        return True

    def probe(self, next_index: int | None = None) -> None:
        """Ask where the logs agree, from ``next_index`` (what is known to match) on."""
        self._begin(Mode.PROBE, next_index or self.match_index + 1)

    def replicate(self) -> None:
        """The logs agree up to ``match_index``: send ahead."""
        self._begin(Mode.REPLICATE, self.match_index + 1)

    def await_snapshot(self, meta: SnapshotMeta, now: float) -> None:
        """Send no entries until this snapshot has arrived."""
        self._begin(Mode.SNAPSHOT, meta.index + 1)
        self.sending = Sending(meta, now)

    def _begin(self, mode: Mode, next_index: int) -> None:
        self.mode = mode
        self.next_index = next_index
        self.in_flight.clear()
        self.is_paused = False
        self.notice_at = math.inf
        self.sending = None

    def status(self, last_index: int) -> PeerStatus:
        """For operators."""
        return PeerStatus(
            match_index=self.match_index,
            next_index=self.next_index,
            state=self.mode.value,
            last_contact_at=self.contact_at,
            is_caught_up=self.match_index == last_index,
        )
