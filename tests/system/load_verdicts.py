"""What a load's history and the servers' final states say: each promise kept, or what broke it.

Pure: the states are given. Sources: raft thesis 6.3 for the promise of exactly once or unknown,
Consul's consistency modes for the rest.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final

from tests.sim.raft.linearizability import Verdict, judge
from tests.system.load import COUNTER, PREFIX, Acknowledged, History

# The search of one key; histories of a key have a few hundred operations.
SEARCH_STEPS_MAX: Final = 400_000
# The hold time of 7 s and a call that begins in its last moment; beyond it something hangs.
ANSWER_S_MAX: Final = 15.0
# How many examples a complaint shows.
SHOWN_MAX: Final = 5

Rows = Sequence[Mapping[str, Any]]


def judge_all(
    history: History,
    registers: Mapping[str, Verdict],
    rows: Rows,
    sessions: Sequence[str],
) -> list[str]:
    """Every broken promise, in words.

    ``registers``: what ``judge_registers`` found; ``rows``: what is stored below the load's prefix
    at the end; ``sessions``: the names of all sessions.
    """
    bad = [key for key, verdict in registers.items() if verdict is Verdict.NO]
    return [
        *history.complaints[:SHOWN_MAX],
        *complaint("registers are not linearizable", bad),
        *lost_or_invented(history, rows),
        *miscounted(history, counter_of(rows)),
        *sessions_wrong(history, sessions),
        *too_slow(history),
    ]


def judge_registers(history: History) -> dict[str, Verdict]:
    """For each register whether its operations fit in an order."""
    return judge(sorted(history.operations, key=lambda o: o.call), SEARCH_STEPS_MAX)


def lost_or_invented(history: History, rows: Rows) -> list[str]:
    """Unique keys: acknowledged ones are there, written once; others only with unknown outcome."""
    prefix = f"{PREFIX}unique/"
    stored = {row["Key"]: row for row in rows if row["Key"].startswith(prefix)}
    lost = history.unique.acknowledged - stored.keys()
    invented = stored.keys() - history.unique.acknowledged - history.unique.unknown
    twice = [key for key, row in stored.items() if row["CreateIndex"] != row["ModifyIndex"]]
    return [
        *complaint("acknowledged writes are lost", lost),
        *complaint("keys are there that nobody wrote or that were refused", invented),
        *complaint("keys were written twice", twice),
    ]


def miscounted(history: History, count: int) -> list[str]:
    """The counter went through every number once: one step each, acknowledged or unknown."""
    taken = Counter(history.steps)
    twice = [str(step) for step, times in taken.items() if times > 1]
    never = set(range(1, count + 1)) - taken.keys() - set(history.unknown_steps)
    beyond = [str(step) for step in taken if step > count]
    return [
        *complaint("steps of the counter were acknowledged twice", twice),
        *complaint("steps of the counter were taken by nobody", map(str, never)),
        *complaint(f"acknowledged steps are beyond the final {count}", beyond),
    ]


def sessions_wrong(history: History, sessions: Sequence[str]) -> list[str]:
    """Each acknowledged session is there once, each unknown one at most once."""
    there = Counter(name for name in sessions if name.startswith("session-"))
    twice = [name for name, times in there.items() if times > 1]
    return [
        *complaint("sessions were made twice", twice),
        *complaint("sessions are lost", history.sessions.acknowledged - there.keys()),
        *complaint(
            "sessions are there that were refused",
            there.keys() - history.sessions.acknowledged - history.sessions.unknown,
        ),
    ]


def too_slow(history: History) -> list[str]:
    """No call waits longer than the hold time and a little."""
    if history.slowest_s <= ANSWER_S_MAX:
        return []
    return [f"an answer took {history.slowest_s:.1f} s ({history.slowest})"]


def outage_s(writes: Sequence[Acknowledged], since_s: float, until_s: float) -> float:
    """The longest time between two moments in which nobody's write was acknowledged."""
    ends = sorted(write.ended_s for write in writes if since_s < write.ended_s < until_s)
    return max(after - before for before, after in pairwise([since_s, *ends, until_s]))


def median_s(seconds: Sequence[float]) -> float:
    """The middle one; 0 without any."""
    return median(seconds) if seconds else 0.0


def counter_of(rows: Rows) -> int:
    """The counter among what is stored."""
    return next(int(base64.b64decode(row["Value"])) for row in rows if row["Key"] == COUNTER)


def complaint(what: str, found: Iterable[str]) -> list[str]:
    """One line with a few examples; nothing when nothing was found."""
    examples = sorted(found)
    return [f"{len(examples)} {what}, as {examples[:SHOWN_MAX]}"] if examples else []
