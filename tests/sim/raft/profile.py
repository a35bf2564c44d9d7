"""What a run is like, drawn from its seed: cluster, weather, disks, clients, and which faults.

Each seed picks a random subset of the kinds of trouble and how bad each is (swarm testing, Groce
et al. 2012): runs without a fault find what the fault would hide.
"""

from random import Random
from typing import Final

import msgspec

from raft.core.settings import Settings
from tests.sim.raft.disk import Speed
from tests.sim.raft.network import Weather

FAULTS: Final = (
    "crash",
    "crash_follower",
    "crash_at_point",
    "pause",
    "power_loss",
    "rolling_restart",
    "partition",
    "one_way_cut",
    "isolate_leader",
    "partial_cut",
    "cut_pair",
    "slow_link",
    "unreachable",
    "disk_hang",
    "disk_failure",
    "disk_slow",
    "heal",
    "transfer",
    "snapshot",
)

CRASH_POINTS: Final = (
    "writes handed to storage",
    "messages sent",
    "round durable, not reported",
    "snapshot durable, not reported",
    "entries applied, not reported",
)


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times in seconds of virtual time; chances in [0, 1]."""

    seed: int
    voter_count: int = 3
    spare_count: int = 0  # servers outside the first membership
    settings: Settings = Settings()
    weather: Weather = Weather()
    disk_speed: Speed = Speed()
    store_failure: float = 0.0  # chance that a received chunk cannot be stored
    clock_spread: float = 0.0  # clocks run at 1 - spread to 1 + spread
    turn_s: float = 0.0  # longest turn: what arrives within it is handled together
    apply_s: float = 0.0  # longest time to apply a few entries; 0: at once
    trouble_s: float = 8.0
    fault_every_s: float = 1.0
    faults: tuple[str, ...] = ()
    outage_s_max: float = 3.0
    crash_points: tuple[str, ...] = CRASH_POINTS
    crashes_at_start: float = 0.0  # chance that a server's very first write is cut short
    is_membership_changing: bool = False
    client_count: int = 3
    key_count: int = 2
    think_s: float = 0.05  # mean pause of a client between operations
    patience_s: float = 1.5  # how long a client waits for an answer
    lease_share: float = 0.5  # of reads that may use a lease
    padding_bytes_max: int = 0


def draw(seed: int) -> Profile:
    """The profile of a seed."""
    rng = Random(seed * 2 + 1)
    clock_spread = rng.choice([0.0, 0.01, 0.05, 0.1])
    fault_share = rng.choice([0.2, 0.4, 0.7])
    timeout_s = rng.choice([0.2, 0.5, 1.0])
    return Profile(
        seed=seed,
        voter_count=rng.choice([1, 2, 3, 3, 3, 3, 4, 5, 5, 7]),
        spare_count=rng.choice([0, 0, 1, 2]),
        settings=_settings(rng, timeout_s, clock_spread),
        weather=_weather(rng),
        disk_speed=_speed(rng),
        store_failure=rng.choice([0.0, 0.0, 0.3]),
        clock_spread=clock_spread,
        turn_s=rng.choice([0.0, 0.0, 0.002, 0.01]),
        apply_s=rng.choice([0.0, 0.0, 0.002, 0.02]),
        trouble_s=timeout_s * rng.choice([5, 10, 25]),
        fault_every_s=timeout_s * rng.choice([0.2, 0.5, 1.0, 2.0]),
        faults=tuple(fault for fault in FAULTS if rng.random() < fault_share),
        outage_s_max=timeout_s * rng.choice([0.5, 2.0, 4.0]),
        crashes_at_start=rng.choice([0.0, 0.0, 0.0, 0.5]),
        is_membership_changing=rng.random() < 0.4,
        client_count=rng.randint(1, 4),
        key_count=rng.randint(1, 3),
        think_s=timeout_s * rng.choice([0.02, 0.05, 0.2]),
        patience_s=timeout_s * rng.choice([0.3, 1.0, 3.0]),
        lease_share=rng.choice([0.0, 0.5, 1.0]),
        padding_bytes_max=rng.choice([0, 0, 300]),
    )


def _settings(rng: Random, timeout_s: float, clock_spread: float) -> Settings:
    is_small = rng.random() < 0.5  # limits that are met all the time
    long_lease = 0.95 if clock_spread < 0.1 else 0.5  # with what clocks may differ by, the limit
    return Settings(
        election_timeout_s=timeout_s,
        lease_timeout_s=timeout_s * rng.choice([0.5, long_lease]),
        disk_stall_limit_s=timeout_s * rng.choice([0.5, 2.0]),
        batch_bytes_max=rng.choice([300, 2000]) if is_small else 1024 * 1024,
        batch_count_max=rng.choice([1, 3, 20]) if is_small else 1024,
        window_count_max=rng.choice([1, 2, 8]),
        uncommitted_bytes_max=rng.choice([500, 5000]) if is_small else 64 * 1024 * 1024,
        uncommitted_count_max=rng.choice([4, 50]) if is_small else 65_536,
        unapplied_bytes_max=rng.choice([200, 2000]) if is_small else 16 * 1024 * 1024,
        reads_waiting_max=rng.choice([2, 50]) if is_small else 65_536,
        trailing_count=rng.choice([0, 3, 20, 10_240]),
        log_bytes_max=rng.choice([1000, 10_000]) if is_small else 64 * 1024 * 1024,
        snapshot_chunk_bytes=rng.choice([60, 400, 256 * 1024]),
        commit_notice_delay_s=timeout_s * rng.choice([0.0, 0.005, 0.05, 2.0]),
        log_count_max=rng.choice([5, 65_536]),
    )


def _weather(rng: Random) -> Weather:
    return Weather(
        loss=rng.choice([0.0, 0.0, 0.01, 0.1]),
        duplication=rng.choice([0.0, 0.0, 0.02, 0.2]),
        late=rng.choice([0.0, 0.0, 0.01, 0.05]),
        delay_s_mean=rng.choice([0.0005, 0.005, 0.03]),
    )


def _speed(rng: Random) -> Speed:
    return Speed(
        sync_s_mean=rng.choice([0.0005, 0.005, 0.03]),
        stall=rng.choice([0.0, 0.0, 0.02]),
        stall_s_max=rng.choice([0.3, 3.0]),
    )
