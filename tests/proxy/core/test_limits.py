import pytest

from proxy.core.limits import OPEN_MAX, OpenLimit, TokenBucket


def test_limit_lets_so_many_be_open() -> None:
    limit = OpenLimit(2)

    assert [True, True, False] == [limit.take() for _ in range(3)]
    limit.give_back()
    assert limit.take()


def test_zero_is_none_at_all_and_nothing_said_is_the_default() -> None:
    assert not OpenLimit(0).take()
    assert OPEN_MAX == OpenLimit(None).maximum


def test_what_is_open_outlasts_a_change() -> None:
    limit = OpenLimit(2)
    limit.take()
    limit.change(1)

    assert not limit.take()
    limit.change(None)
    assert limit.take()


def test_giving_back_what_was_not_taken_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        OpenLimit(1).give_back()


def test_bucket_begins_full_and_fills_with_time() -> None:
    bucket = TokenBucket(2.0, 3.0, 10.0)

    assert [True, True, True, False] == [bucket.take(10.0) for _ in range(4)]
    assert not bucket.take(10.4)
    assert bucket.take(10.5)
    assert [True, True, True, False] == [bucket.take(100.0) for _ in range(4)]


def test_bucket_is_not_filled_by_a_clock_that_goes_back() -> None:
    bucket = TokenBucket(1.0, 1.0, 10.0)

    assert [True, False, False, True] == [bucket.take(now) for now in (10.0, 5.0, 10.0, 11.0)]


def test_slow_bucket_still_lets_one_through() -> None:
    bucket = TokenBucket(0.5, 0.5, 0.0)

    assert [True, False, True] == [bucket.take(now) for now in (0.0, 1.0, 2.0)]


def test_bucket_without_flow_and_burst_lets_nothing_through() -> None:
    assert not TokenBucket(0.0, 0.0, 0.0).take(100.0)
