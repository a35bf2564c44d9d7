"""What is measured of one pool, and how: times as members see them, costs as the kernel has them.

CPU is the kernel's run time of all threads of a process (/proc/PID/task/TID/schedstat, first
field, nanoseconds). Bytes are those of the loopback of this run's own network namespace, which
nobody else uses (/proc/net/dev), link headers included. Source: proc(5).
"""

import statistics
from pathlib import Path

from tests.bench.gossip_pools import Pool, Process
from tests.system.agent_process import resident_bytes

MEBIBYTE = 1024 * 1024
# Joins that one push/pull in 30 s must repair still count.
JOIN_WAIT_S = 90.0
# Six times the longest suspicion of 50 members is 41 s, if nobody confirms it.
FAILURE_WAIT_S = 90.0
EVENT_WAIT_S = 60.0
# The news of the joins is told within some seconds; then a pool is quiet.
SETTLE_S = 6.0
EVENTS = 5
EVENT_PAUSE_S = 0.5
FAILURES = 2

# Unit and order of the measurements.
JOIN = "join convergence, s"
EVENT = "user event at all, s"
FAILURE = "failure seen by all, s"
CPU = "CPU s / minute, idle"
TRAFFIC = "bytes / s, idle"
MEMORY_STARTED = "resident MiB, started"
MEMORY = "resident MiB, in use"
MEASUREMENTS = (JOIN, EVENT, FAILURE, CPU, TRAFFIC, MEMORY_STARTED, MEMORY)


def measure(pool: Pool, *, idle_s: float) -> dict[str, float]:
    """Start a pool, measure it, end it. Costs are means over its members.

    Raises GossipBenchError when it does not come to a state in time.
    """
    try:
        pool.start()
        started = {MEMORY_STARTED: resident_mebibytes(pool.measured)}
        pool.warm_up()
        join_s = pool.join_all(limit_s=JOIN_WAIT_S)
        pool.rest(SETTLE_S)
        costs = idle_costs(pool, idle_s)
        times = {JOIN: join_s, EVENT: event_s(pool), FAILURE: failure_s(pool)}
        return {**times, **costs, **started}
    finally:
        pool.end()


def idle_costs(pool: Pool, seconds: float) -> dict[str, float]:
    """CPU seconds a minute and resident MiB of a measured member, bytes a second of any member."""
    cpu_before, bytes_before = cpu_s(pool.measured), loopback_bytes()
    pool.rest(seconds)
    members = len(pool.measured)
    return {
        CPU: (cpu_s(pool.measured) - cpu_before) / members / seconds * 60,
        TRAFFIC: (loopback_bytes() - bytes_before) / len(pool.members) / seconds,
        MEMORY: resident_mebibytes(pool.measured),
    }


def resident_mebibytes(members: list[Process]) -> float:
    """Resident MiB of a member, in the mean."""
    return sum(resident_bytes(each.pid) for each in members) / len(members) / MEBIBYTE


def event_s(pool: Pool) -> float:
    """Median seconds until a user event is everywhere."""
    took = []
    for number in range(EVENTS):
        took.append(pool.fire(f"bench-{number}", limit_s=EVENT_WAIT_S))
        pool.rest(EVENT_PAUSE_S)
    return statistics.median(took)


def failure_s(pool: Pool) -> float:
    """Median seconds until everybody saw that one was killed."""
    return statistics.median(pool.fail_one(limit_s=FAILURE_WAIT_S) for _ in range(FAILURES))


def cpu_s(members: list[Process]) -> float:
    """CPU seconds that these processes have used."""
    files = (
        file for each in members for file in Path(f"/proc/{each.pid}/task").glob("*/schedstat")
    )
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def loopback_bytes() -> int:
    """Bytes that went over the loopback of this network namespace."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[0])
    raise ProcessLookupError("no loopback in /proc/self/net/dev")
