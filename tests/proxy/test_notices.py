from functools import partial
from itertools import pairwise

import pytest

from proxy.notices import SLICE_CALLS_MAX, SLICE_S, Notices
from tests.proxy.fakes import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_many_calls_leave_the_loop_to_others_in_between(clock: Clock) -> None:
    made: list[int] = []
    turns: list[int] = []

    def soon(call: object) -> None:
        turns.append(len(made))
        clock.call_later(0.0, call)  # type: ignore[arg-type] # a call

    def work(number: int) -> None:
        made.append(number)
        clock.now_s += SLICE_S / 10

    notices = Notices(soon=soon, now_s=lambda: clock.now_s, failed=pytest.fail)
    notices.add([partial(work, number) for number in range(1000)])
    assert [] == made
    clock.advance(10.0)

    assert list(range(1000)) == made
    assert max(b - a for a, b in pairwise(turns)) <= 11


def test_a_call_that_is_due_twice_is_made_once(clock: Clock) -> None:
    made: list[str] = []
    notices = Notices(soon=clock.soon, now_s=lambda: clock.now_s, failed=pytest.fail)
    call = partial(made.append, "a")

    notices.add([call])
    notices.add([call])
    clock.advance(1.0)
    assert ["a"] == made

    notices.add([call])
    clock.advance(1.0)
    assert ["a", "a"] == made


def test_a_call_that_was_dropped_is_not_made(clock: Clock) -> None:
    notices = Notices(soon=clock.soon, now_s=lambda: clock.now_s, failed=pytest.fail)
    call = partial(pytest.fail, "made")

    notices.add([call])
    notices.drop(call)
    clock.advance(1.0)


def test_a_call_that_fails_does_not_keep_others_from_being_made(clock: Clock) -> None:
    made: list[str] = []
    failures: list[Exception] = []

    def fail() -> None:
        raise ValueError("mine")

    notices = Notices(soon=clock.soon, now_s=lambda: clock.now_s, failed=failures.append)
    notices.add([fail, partial(made.append, "a")])
    clock.advance(1.0)

    assert ["a"] == made
    assert ["mine"] == [str(error) for error in failures]


def test_quick_calls_too_are_made_in_turns(clock: Clock) -> None:
    turns: list[int] = []
    made: list[int] = []

    def soon(call: object) -> None:
        turns.append(len(made))
        clock.call_later(0.0, call)  # type: ignore[arg-type] # a call

    notices = Notices(soon=soon, now_s=lambda: clock.now_s, failed=pytest.fail)
    notices.add([partial(made.append, number) for number in range(1000)])
    clock.advance(0.0)

    assert 1000 == len(made)
    assert max(b - a for a, b in pairwise(turns)) <= SLICE_CALLS_MAX


def test_a_call_may_drop_those_behind_it(clock: Clock) -> None:
    notices = Notices(soon=clock.soon, now_s=lambda: clock.now_s, failed=pytest.fail)
    last = partial(pytest.fail, "made")

    notices.add([partial(notices.drop, last), last])
    clock.advance(1.0)
