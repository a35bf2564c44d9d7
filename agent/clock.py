"""Time at the edge: the only reader of the system's clocks."""

import time


def wall_s() -> float:
    """Seconds since the Unix epoch."""
    return time.time()  # noqa: TID251 - the one reader of the wall clock


def monotonic_s() -> float:
    """Seconds that never go backwards; only differences have a meaning."""
    return time.monotonic()  # noqa: TID251 - the one reader of the monotonic clock


def boottime_s() -> float:
    """As ``monotonic_s``, and it goes on while the machine sleeps: what a lease is measured with.

    A leader that slept must not believe afterwards that its lease still holds.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)
