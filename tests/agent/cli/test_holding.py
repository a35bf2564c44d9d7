"""Claims about deadlines and about watching what is held."""

import pytest

from agent.cli.failure import ApiError, TransportError
from agent.cli.holding import Deadline, waiting, watch_until


def test_deadline_zero_never_comes():
    deadline = Deadline(0)

    assert deadline.remaining_s(15) == 15
    assert not deadline.passed()


def test_wait_is_cut_to_the_deadline():
    assert waiting(0, Deadline(1)) == []
    wait = dict(waiting(7, Deadline(1)))["wait"]
    assert 0 < int(wait.removesuffix("ms")) <= 1000
    assert dict(waiting(7, Deadline(0)))["wait"] == "15000ms"


def replay(steps):
    """One scripted answer a call: an index, None for lost, or an exception."""
    remaining = list(steps)

    def step(index):
        result = remaining.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return step


def test_watch_bears_server_faults_in_a_row_up_to_its_limit(monkeypatch):
    monkeypatch.setattr("agent.cli.holding.MONITOR_RETRY_S", 0)
    fault, broken = ApiError(500, "No cluster leader"), TransportError("EOF")

    watch_until(replay([1, fault, broken, 2, fault, broken, None]), 2)
    with pytest.raises(TransportError):
        watch_until(replay([1, fault, fault, broken]), 2)


def test_watch_does_not_bear_a_refusal():
    with pytest.raises(ApiError):
        watch_until(replay([1, ApiError(403, "Permission denied")]), 9)
