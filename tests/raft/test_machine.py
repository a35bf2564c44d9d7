import asyncio
import random
import time

from raft.machine import Settings, Surroundings
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


def test_losing_durability_ends_the_process_unless_said_otherwise() -> None:
    surroundings = Surroundings(
        wall_s=time.time,
        monotonic_s=time.monotonic,
        random=random.random,
        start_task=lambda name, work: asyncio.get_running_loop().create_task(work, name=name),
    )

    assert exit_process is surroundings.on_fatal
