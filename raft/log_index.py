"""Where each live entry lies, and what the records seen so far add up to.

Fed with every record in order, by recovery and by each append alike, so both have one meaning:
entries extend the log by one, a truncation cuts it, a mark past the end restarts it.
"""

import msgspec

from raft.entries import HardState
from raft.errors import Corrupt
from raft.records import HARD_STATE, MARK, TRUNCATE, Body


class Place(msgspec.Struct, frozen=True, gc=False):
    """Segment number and offset of a record in it.

    There is one for each live entry: tracked ones would set off full collections under load.
    """

    segment: int
    offset: int


class LogIndex:
    """The live range is ``[first_index, last_index]``, empty when last = first - 1.

    ``last_term`` is 0 while no entry or mark told it.
    """

    def __init__(self, first_index: int = 1) -> None:
        self.first_index = first_index
        self.last_term = 0
        self.hard_state = HardState()
        self._places: list[Place] = []
        self._terms: list[int] = []

    @property
    def last_index(self) -> int:
        """Index of the newest entry, or ``first_index - 1``."""
        return self.first_index + len(self._places) - 1

    def place(self, index: int) -> Place:
        """Where the entry lies; the caller stays inside the live range."""
        assert self.first_index <= index <= self.last_index
        return self._places[index - self.first_index]

    def note(self, body: Body, place: Place) -> None:
        """Take one record into account; raises ``Corrupt`` when it cannot follow the others."""
        if body.kind == HARD_STATE:
            self.hard_state = HardState(body.term, body.payload.decode(), body.index)
        elif body.kind == TRUNCATE:
            self._truncate(body.index)
        elif body.kind == MARK:
            if not self.agrees(body.index, body.term):
                self._restart(body.index, body.term)
        elif body.index != self.last_index + 1:
            message = f"entry {body.index} follows entry {self.last_index} in the log"
            raise Corrupt(message)
        else:
            self._places.append(place)
            self._terms.append(body.term)
            self.last_term = body.term

    def agrees(self, index: int, term: int) -> bool:
        """Whether the log already leads up to this snapshot; if not, all of it is void."""
        if index > self.last_index or (not self._places and index == self.last_index):
            return False
        return index < self.first_index or self._terms[index - self.first_index] == term

    def release(self, first_index: int) -> None:
        """Forget the places of entries below ``first_index``."""
        count = min(max(first_index - self.first_index, 0), len(self._places))
        del self._places[:count]
        del self._terms[:count]
        self.first_index += count

    def _truncate(self, index_last: int) -> None:
        if index_last < self.first_index - 1:
            # What stays lies in segments that are gone: a snapshot covers it.
            self._restart(index_last, 0)
            return
        keep = index_last - self.first_index + 1
        del self._places[keep:]
        del self._terms[keep:]
        self.last_term = self._terms[-1] if self._terms else 0

    def _restart(self, index: int, term: int) -> None:
        self.first_index = index + 1
        self._places.clear()
        self._terms.clear()
        self.last_term = term
