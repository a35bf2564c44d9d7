"""Whether a history of one key-value store could have happened one operation at a time.

The search of Wing and Gong (1993) with the cache of Lowe (2017), key by key, because a history is
linearizable if and only if it is so for every key alone (Herlihy and Wing 1990). Times are numbers
of events, so no two are equal. An operation whose outcome nobody knows has no return: it may have
happened at any time after its call, or never. Limits: a key with very many of these can exceed
``STEPS_MAX``; the verdict is then "unknown", which is no proof of anything.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final, TypeAlias

import msgspec

STEPS_MAX: Final = 200_000  # a second of search; healthy histories need a few steps an operation

Value: TypeAlias = int | None  # None: the key is not there


class Kind(Enum):
    """What an operation does to its key."""

    GET = "get"  # result: the value
    PUT = "put"  # argument: the value
    CAS = "cas"  # expected, argument; result: whether it was done
    DELETE = "delete"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One call. ``returned`` is None when the outcome is unknown, then ``result`` means nothing."""

    call: int
    returned: int | None
    key: str
    kind: Kind
    argument: Value = None
    expected: Value = None
    result: Value | bool = None


class Verdict(Enum):
    """What the search found."""

    YES = "linearizable"
    NO = "not linearizable"
    UNKNOWN = "search ended at its limit"


def judge(history: Sequence[Operation], steps_max: int = STEPS_MAX) -> dict[str, Verdict]:
    """The verdict for each key, in order of the keys."""
    by_key: dict[str, list[Operation]] = {}
    for operation in history:
        if operation.kind is not Kind.GET or operation.returned is not None:
            by_key.setdefault(operation.key, []).append(operation)
    return {key: _Search(by_key[key]).run(steps_max) for key in sorted(by_key)}


def step(state: Value, operation: Operation) -> tuple[bool, Value]:
    """Whether ``operation`` may have had its result in ``state``, and the state afterwards."""
    is_known = operation.returned is not None
    match operation.kind:
        case Kind.GET:
            return operation.result == state, state
        case Kind.PUT:
            return True, operation.argument
        case Kind.DELETE:
            return True, None
        case Kind.CAS:
            done = state == operation.expected
            return not is_known or operation.result is done, operation.argument if done else state


class _Search:
    """Depth first over the orders, on a list of calls and returns from which taken ones are cut."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = operations
        events = sorted(
            [(operation.call, i, True) for i, operation in enumerate(operations)]
            + [
                (operation.returned, i, False)
                for i, operation in enumerate(operations)
                if operation.returned is not None
            ]
        )
        # Place 0 is the head of the list; the event at place p is events[p - 1].
        self.number_of = [-1, *(number for _, number, _ in events)]
        self.is_call = [False, *(is_call for _, _, is_call in events)]
        size = len(events) + 1
        self.next = [(place + 1) % size for place in range(size)]
        self.previous = [(place - 1) % size for place in range(size)]
        self.return_place = {
            self.number_of[place]: place for place in range(1, size) if not self.is_call[place]
        }

    def run(self, steps_max: int) -> Verdict:
        state: Value = None
        taken = 0  # a bit for each operation
        waiting = len(self.return_place)  # operations that must have happened
        seen: set[tuple[int, Value]] = set()
        path: list[tuple[int, Value]] = []
        place = self.next[0]
        for _ in range(steps_max):
            if not waiting:
                return Verdict.YES
            number = self.number_of[place]
            if self.is_call[place]:
                possible, after = step(state, self.operations[number])
                if possible and (taken | 1 << number, after) not in seen:
                    seen.add((taken | 1 << number, after))
                    path.append((place, state))
                    state, taken = after, taken | 1 << number
                    waiting -= number in self.return_place
                    self._cut(place, number)
                    place = 0
            elif path:
                # This one has returned, so it had to be taken earlier: another order.
                place, state = path.pop()
                number = self.number_of[place]
                taken &= ~(1 << number)
                waiting += number in self.return_place
                self._mend(place, number)
            else:
                return Verdict.NO
            place = self.next[place]
        return Verdict.UNKNOWN

    def _cut(self, place: int, number: int) -> None:
        for at in (place, self.return_place.get(number)):
            if at is not None:
                self.next[self.previous[at]] = self.next[at]
                self.previous[self.next[at]] = self.previous[at]

    def _mend(self, place: int, number: int) -> None:
        for at in (self.return_place.get(number), place):
            if at is not None:
                self.next[self.previous[at]] = at
                self.previous[self.next[at]] = at
