"""The leader's clocks of sessions, on a loop whose time the tests move."""

import asyncio

import pytest

from agent.server.sessions import SessionTimers
from catalog.rows.session import Session
from catalog.writes.tx import LockDelayed, SessionBegan, SessionEnded

SECOND_NS = 1_000_000_000


class Clock:
    """Timers that run when the test moves the time; in place of the loop's own."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.due: list[tuple[float, asyncio.TimerHandle, object, tuple]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s, callback, *args):
        handle = asyncio.TimerHandle(self.now_s + delay_s, callback, args, self)
        self.due.append((self.now_s + delay_s, handle, callback, args))
        return handle

    def _timer_handle_cancelled(self, _handle) -> None:
        pass

    def get_debug(self) -> bool:
        return False

    def move(self, seconds: float) -> None:
        self.now_s += seconds
        for entry in sorted(self.due, key=lambda entry: entry[0]):
            if entry[0] <= self.now_s:
                self.due.remove(entry)
                if not entry[1].cancelled():
                    entry[2](*entry[3])


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    return clock


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def timers(clock, ended) -> SessionTimers:
    timers = SessionTimers(ended.append)
    timers.lead([])
    return timers


def test_a_session_ends_after_twice_its_ttl(clock, timers, ended):
    timers.hear(SessionBegan("s", "10s"))

    clock.move(19.9)
    assert (ended, timers.active) == ([], 1)
    clock.move(0.2)
    assert (ended, timers.active) == (["s"], 0)


def test_a_renewal_starts_the_ttl_anew(clock, timers, ended):
    timers.renew("s", "10s")
    for _ in range(5):
        clock.move(15)
        timers.renew("s", "10s")
    clock.move(19.9)
    assert (ended, timers.active) == ([], 1)

    clock.move(0.2)
    assert ended == ["s"]


@pytest.mark.parametrize("ttl", ["", "0s"])
def test_a_session_without_ttl_has_no_clock(timers, ttl):
    timers.hear(SessionBegan("s", ttl))

    assert timers.active == 0


def test_an_ended_session_has_no_clock(clock, timers, ended):
    timers.renew("s", "10s")
    timers.hear(SessionEnded("s"))
    timers.hear(SessionEnded("never-was"))
    clock.move(60)

    assert (ended, timers.active) == ([], 0)


def test_an_end_that_was_not_proposed_is_asked_for_again(clock, timers, ended):
    timers.renew("s", "10s")
    clock.move(21)
    timers.retry("s", 1.0)
    clock.move(1.1)

    assert ended == ["s", "s"]


def test_a_new_leader_gives_every_session_its_full_time(clock, timers, ended):
    timers.lead([Session(id="a", ttl="10s"), Session(id="b"), Session(id="c", ttl="20s")])
    assert timers.active == 2

    clock.move(21)
    assert ended == ["a"]
    clock.move(20)
    assert ended == ["a", "c"]


def test_a_lost_lock_stays_closed_for_its_delay(clock, timers):
    timers.hear(LockDelayed("k", 15 * SECOND_NS))

    assert (timers.lock_delayed("k"), timers.lock_delayed("other")) == (True, False)
    clock.move(14.9)
    assert timers.lock_delayed("k")
    clock.move(0.2)
    assert (timers.lock_delayed("k"), timers._delayed_until_s) == (False, {})


def test_a_second_loss_prolongs_the_delay(clock, timers):
    timers.hear(LockDelayed("k", 10 * SECOND_NS))
    clock.move(5)
    timers.hear(LockDelayed("k", 10 * SECOND_NS))
    clock.move(6)
    assert timers.lock_delayed("k")

    clock.move(5)
    assert (timers.lock_delayed("k"), timers._delayed_until_s) == (False, {})


def test_a_server_that_no_longer_leads_ends_no_sessions(clock, timers, ended):
    timers.renew("s", "10s")
    timers.stop()
    timers.hear(SessionBegan("t", "10s"))
    clock.move(60)

    assert (ended, timers.active) == ([], 0)


def test_every_replica_keeps_a_lock_closed(timers):
    """Else a lock could be taken at once from a leader that has just been elected."""
    timers.stop()
    timers.hear(LockDelayed("k", SECOND_NS))

    assert timers.lock_delayed("k")
