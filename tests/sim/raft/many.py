"""Many runs, spread over processes, and a line for each that went wrong."""

import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from tests.sim.raft.run import Report, run

CHUNK_SEEDS: Final = 20  # what a process takes at a time


def play_many(seeds: range, jobs: int) -> int:
    """Play the runs of ``seeds`` in ``jobs`` processes; returns how many went wrong."""
    began_s = time.perf_counter()
    if jobs == 1:
        totals = _tell_of(map(run, seeds))
    else:
        with ProcessPoolExecutor(jobs) as pool:
            totals = _tell_of(pool.map(run, seeds, chunksize=CHUNK_SEEDS))
    wrong, events, operations, undecided = totals
    took_s = time.perf_counter() - began_s
    print(
        f"{len(seeds)} seeds, {wrong} wrong, {undecided} histories undecided; "
        f"{events} events and {operations} operations in {took_s:.0f} s: "
        f"{len(seeds) / took_s:.1f} seeds/s, {events / took_s / jobs:.0f} events/s a process"
    )
    return wrong


def _tell_of(reports: Iterable[Report]) -> tuple[int, int, int, int]:
    wrong = events = operations = undecided = 0
    for report in reports:
        events += report.event_count
        operations += report.operation_count
        undecided += report.undecided
        if report.wrong:
            wrong += 1
            print(f"seed {report.seed}: {report.wrong}")
            print(f"    scripts/simulate raft --seed {report.seed} --trace", flush=True)
    return wrong, events, operations, undecided
