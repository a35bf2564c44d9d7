"""When certificates are renewed, retried and worried about: pure functions of times in seconds.

Source: Consul, leaf certificates (renewed at a random 60 to 90 % of life). Roots are not renewed by
Consul; here they are, early enough that no leaf outlives the root it was signed under.
"""

from typing import Final, Protocol

LEAF_SHARE_MIN: Final = 0.6  # not earlier: half of all signing would be waste
LEAF_SHARE_MAX: Final = 0.9  # not later: time for retries must be left
ALARM_SHARE: Final = 0.75  # a renewal that fails is an alarm from here on
ROOT_SHARE_LEFT: Final = 0.1  # of a root's life: a year of the usual ten, for clients without news
ROOT_LEAF_LIVES: Final = 3  # ... and never less than the leaves' lives until the old root is gone
ROOT_SHARE_LEFT_MAX: Final = 0.5  # a short-lived root would be renewed as soon as it is made
INTERMEDIATE_SHARE: Final = 0.5  # what is left outlasts the leaves: it lives three of their lives
RETRY_S: Final = 5.0  # after a renewal that failed; a leaf then still has a tenth of its life
RETRY_S_MAX: Final = 300.0  # far below what is left of the shortest leaf that is allowed
BUSY_WINDOW_S: Final = 30.0  # servers busy signing are asked again within this time, then twice it
SPREAD_S: Final = 30.0  # after a change of roots, leaves are renewed within this time


class Jitter(Protocol):
    """The part of a random generator that is used here."""

    def random(self) -> float:
        """A number in [0, 1)."""


def leaf_due_s(start_s: float, end_s: float, rng: Jitter) -> float:
    """When a leaf is renewed: between 60 and 90 % of its life, so that not all come at once."""
    share = LEAF_SHARE_MIN + rng.random() * (LEAF_SHARE_MAX - LEAF_SHARE_MIN)
    return start_s + share * (end_s - start_s)


def root_due_s(start_s: float, end_s: float, leaf_life_s: float) -> float:
    """When the next root takes over, so that every leaf of the old one ends before it does."""
    life_s = end_s - start_s
    left_s = max(ROOT_LEAF_LIVES * leaf_life_s, ROOT_SHARE_LEFT * life_s)
    return end_s - min(left_s, ROOT_SHARE_LEFT_MAX * life_s)


def intermediate_due_s(start_s: float, end_s: float) -> float:
    """When an intermediate is renewed: half-way."""
    return start_s + INTERMEDIATE_SHARE * (end_s - start_s)


def is_alarming(start_s: float, end_s: float, now_s: float) -> bool:
    """Whether so much of a life is gone that somebody should look why it was not renewed."""
    return now_s - start_s > ALARM_SHARE * (end_s - start_s)


def retry_in_s(failures: int) -> float:
    """Seconds until a renewal that failed so many times in a row is tried again."""
    doublings = min(failures - 1, 10)  # far beyond the longest pause
    return min(RETRY_S * (1 << doublings), RETRY_S_MAX)


def busy_retry_in_s(failures: int, rng: Jitter) -> float:
    """Seconds until servers that were busy signing are asked again, in windows that grow."""
    return min(failures * BUSY_WINDOW_S, RETRY_S_MAX) * rng.random()
