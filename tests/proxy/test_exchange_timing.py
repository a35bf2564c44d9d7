import pytest

from proxy.deadlines import Deadlines
from proxy.exchange_timing import Timing
from tests.proxy.http_world import World


class Told:
    def __init__(self) -> None:
        self.told: list[str] = []

    def woken(self) -> None:
        self.told.append("woken")

    def route_timed_out(self) -> None:
        self.told.append("route")

    def attempt_timed_out(self) -> None:
        self.told.append("attempt")

    def idle_timed_out(self) -> None:
        self.told.append("idle")


@pytest.fixture
def world() -> World:
    world = World()
    world.time_s = 0.0
    return world


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def timing(world: World, told: Told) -> Timing:
    return Timing(Deadlines(world.now_s, world.call_later), told)


def test_each_time_is_told_as_what_it_is(world: World, told: Told, timing: Timing):
    timing.begin(0.0, idle_timeout_s=9.0, timeout_s=4.0)
    timing.pause(0.0, 1.0)
    timing.attempt(0.0, timeout_s=2.0)
    world.advance(1.5)
    assert ["woken"] == told.told
    world.advance(1.0)
    assert ["woken", "attempt"] == told.told
    world.advance(2.0)
    assert ["woken", "attempt", "route"] == told.told


def test_the_time_of_an_attempt_can_be_ended(world: World, told: Told, timing: Timing):
    timing.attempt(0.0, timeout_s=2.0)
    timing.attempt(0.0, timeout_s=0.0)
    world.advance(9.0)
    assert [] == told.told


def test_no_time_is_no_limit(world: World, told: Told, timing: Timing):
    timing.begin(0.0, idle_timeout_s=0.0, timeout_s=0.0)
    timing.complete(0.0, timeout_s=0.0)
    world.advance(100_000.0)
    assert ([], []) == (told.told, world.due)


def test_silence_is_told_only_if_nothing_moved(world: World, told: Told, timing: Timing):
    timing.begin(0.0, idle_timeout_s=10.0, timeout_s=0.0)
    timing.has_moved = True
    world.advance(15.0)
    assert [] == told.told
    world.advance(5.1)
    assert ["idle"] == told.told


def test_a_tunnel_only_ends_by_silence(world: World, told: Told, timing: Timing):
    timing.begin(0.0, idle_timeout_s=10.0, timeout_s=3.0)
    timing.attempt(0.0, timeout_s=2.0)
    timing.tunnel()
    world.advance(9.0)
    assert [] == told.told
    world.advance(2.0)
    assert ["idle"] == told.told


def test_what_has_ended_is_told_nothing(world: World, told: Told, timing: Timing):
    timing.begin(0.0, idle_timeout_s=10.0, timeout_s=3.0)
    timing.end()
    world.advance(100.0)
    assert [] == told.told
