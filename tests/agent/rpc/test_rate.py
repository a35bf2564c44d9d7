"""The token bucket."""

from agent.rpc.rate import TokenBucket


def test_a_burst_is_taken_at_once_and_no_more():
    bucket = TokenBucket(1.0, 3, 0.0)

    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]


def test_tokens_come_back_with_time_up_to_the_burst():
    bucket = TokenBucket(2.0, 2, 0.0)
    assert [bucket.take(0.0), bucket.take(0.0), bucket.take(0.4)] == [True, True, False]

    assert bucket.take(0.5)
    assert [bucket.take(100.0) for _ in range(3)] == [True, True, False]


def test_a_negative_rate_is_no_limit():
    bucket = TokenBucket(-1.0, 0, 0.0)

    assert all(bucket.take(0.0) for _ in range(1000))


def test_a_burst_of_none_lets_nothing_through():
    assert not TokenBucket(1.0, 0, 0.0).take(60.0)
