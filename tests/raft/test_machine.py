import asyncio
import random
import time

from raft.machine import (
    LOG_BYTES_MAX,
    LOG_BYTES_MIN,
    MEMORY_LOG_BYTES,
    MEMORY_TRAILING_LOGS,
    Settings,
    Surroundings,
)
from raft.writer import exit_process


def test_settings_default_to_those_of_consul() -> None:
    settings = Settings()

    assert (
        settings.snapshot_threshold,
        settings.snapshot_interval_s,
        settings.trailing_logs,
    ) == (16_384, 30.0, 10_240)


def test_zero_means_the_default() -> None:
    zeros = Settings(snapshot_threshold=0, snapshot_interval_s=0, trailing_logs=0)

    assert zeros == Settings()


def test_a_large_state_is_not_written_anew_for_little_log() -> None:
    settings = Settings()

    limits = [
        settings.for_core(keeps_log=True, state_bytes=size).log_bytes_max
        for size in (0, 400 * 2**20, 4 * 2**30)
    ]

    assert limits == [LOG_BYTES_MIN, 200 * 2**20, LOG_BYTES_MAX]


def test_a_large_state_is_not_written_anew_for_few_entries() -> None:
    limits = [
        Settings(snapshot_threshold=threshold).for_core(keeps_log=True, state_bytes=size)
        for threshold, size in ((100, 0), (50_000, 0), (100, 400 * 2**20))
    ]

    assert [limit.log_count_max for limit in limits] == [65_536, 200_000, 200 * 2**20 // 256]


def test_a_log_in_memory_only_is_kept_short() -> None:
    core = Settings(trailing_logs=5000).for_core(keeps_log=False, state_bytes=2**30)

    assert (core.trailing_count, core.log_bytes_max) == (MEMORY_TRAILING_LOGS, MEMORY_LOG_BYTES)


def test_losing_durability_ends_the_process_unless_said_otherwise() -> None:
    surroundings = Surroundings(
        wall_s=time.time,
        monotonic_s=time.monotonic,
        random=random.random,
        start_task=lambda name, work: asyncio.get_running_loop().create_task(work, name=name),
    )

    assert exit_process is surroundings.on_fatal
