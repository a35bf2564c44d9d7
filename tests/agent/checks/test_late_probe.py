"""A probe that is made at its first run."""

import threading

import pytest

from agent.checks.late_probe import LateProbe
from agent.checks.outcome import Outcome, Probe, passing


class Well:
    async def run(self) -> Outcome:
        return passing("well")


async def test_the_probe_is_made_once_at_the_first_run_on_another_thread():
    def make() -> Probe:
        threads.append(threading.get_ident())
        return Well()

    threads: list[int] = []
    probe = LateProbe(make)
    assert [] == threads

    assert [passing("well")] * 2 == [await probe.run(), await probe.run()]
    assert 1 == len(threads)
    assert threading.get_ident() not in threads


async def test_a_probe_that_cannot_be_made_is_tried_again():
    def make() -> Probe:
        tries.append("try")
        if len(tries) == 1:
            raise ImportError("no such library")
        return Well()

    tries: list[str] = []
    probe = LateProbe(make)

    with pytest.raises(ImportError, match="no such library"):
        await probe.run()
    assert passing("well") == await probe.run()
