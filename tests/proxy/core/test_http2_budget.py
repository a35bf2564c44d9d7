import pytest

from proxy.core.http2_budget import BURST_MAX, HELD_FRAMES_MAX, REFILL_PER_S_MAX, Budget, Guard
from proxy.core.http2_frames import ConnectionFault


def test_a_burst_is_allowed_and_no_more():
    budget = Budget()

    allowed = [budget.spend(1, 5.0) for _ in range(BURST_MAX + 1)]

    assert [True] * BURST_MAX + [False] == allowed


def test_tokens_come_back_with_time_up_to_a_burst():
    budget = Budget()
    budget.spend(BURST_MAX, 5.0)

    after_a_second = budget.spend(REFILL_PER_S_MAX, 6.0)
    at_once = budget.spend(1, 6.0)
    later = [budget.spend(BURST_MAX, 1e6), budget.spend(1, 1e6)]

    assert (True, False, [True, False]) == (after_a_second, at_once, later)


def test_use_earns_tokens_up_to_a_burst():
    budget = Budget()
    budget.spend(BURST_MAX, 5.0)

    budget.earn(2)

    assert [True, True, False] == [budget.spend(1, 5.0) for _ in range(3)]


def test_a_clock_that_goes_back_takes_nothing():
    budget = Budget()

    assert budget.spend(1, 5.0)
    assert budget.spend(1, 4.0)


def test_a_guard_counts_frames_without_use_and_resets_apart():
    guard = Guard()
    for _ in range(BURST_MAX):
        guard.idle(1.0)
        guard.reset(1.0)

    for spend in (guard.idle, guard.reset):
        with pytest.raises(ConnectionFault):
            spend(1.0)


def test_what_is_of_use_pays_for_what_is_not():
    guard = Guard()

    for frames in range(3 * BURST_MAX):
        guard.sent(frames, 0)
        guard.served()
        guard.idle(1.0)
        guard.reset(1.0)


def test_a_peer_that_does_not_read_may_say_only_so_much():
    guard = Guard()
    for second in range(HELD_FRAMES_MAX):
        guard.idle(float(second), is_held=True)

    with pytest.raises(ConnectionFault):
        guard.idle(float(HELD_FRAMES_MAX), is_held=True)
    guard.idle(float(HELD_FRAMES_MAX))


def test_a_window_may_be_widened_for_each_small_part_that_is_read():
    guard = Guard()

    for frames in range(100):
        guard.sent(frames, frames * 65_536)
        for _ in range(32):
            guard.idle(1.0)
