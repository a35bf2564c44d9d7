"""The system's clocks."""

from agent import clock


def test_monotonic_time_never_goes_backwards():
    times = [clock.monotonic_s() for _ in range(100)]

    assert times == sorted(times)


def test_time_since_the_boot_is_never_behind_the_time_awake():
    assert clock.monotonic_s() <= clock.boottime_s()


def test_wall_time_is_seconds_since_1970():
    assert 1_600_000_000 < clock.wall_s() < 10_000_000_000
