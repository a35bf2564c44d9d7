"""Which faults are played, and in what order."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

from tests.system.disk_faults import (
    ClockJump,
    FailedSync,
    FullDisk,
    HungSync,
    SlowSync,
    WipedFollower,
)
from tests.system.network_faults import (
    CutFollowers,
    CutLeader,
    CutPair,
    DeafLeader,
    LongCutLeader,
    MuteLeader,
)
from tests.system.process_faults import (
    HandOver,
    KillAll,
    KillFollower,
    KillLeader,
    PauseLeader,
    StopLeader,
)
from tests.system.stage import Fault

# What a minute has time for: each kind of trouble, and enough deaths of leaders for a median.
QUICK: Final[tuple[Callable[[], Fault], ...]] = (
    *[KillLeader] * 4,
    KillAll,
    PauseLeader,
    CutLeader,
    DeafLeader,
    FailedSync,
    HungSync,
    ClockJump,
)
EVERY: Final[tuple[Callable[[], Fault], ...]] = (
    *QUICK,
    KillFollower,
    LongCutLeader,
    CutFollowers,
    MuteLeader,
    CutPair,
    SlowSync,
    FullDisk,
    StopLeader,
    HandOver,
    WipedFollower,
)


def decks(rng: Random, kinds: Sequence[Callable[[], Fault]]) -> Iterator[Fault]:
    """All kinds in an order of chance, again and again."""
    while True:
        for kind in rng.sample(kinds, len(kinds)):
            yield kind()
