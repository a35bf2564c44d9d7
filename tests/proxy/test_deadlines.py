from typing_extensions import override

from proxy.deadlines import NEVER, Deadlines, Timed
from tests.proxy.http_world import World


class Bell(Timed):
    def __init__(self) -> None:
        self.rings: list[float] = []

    @override
    def expire(self, now_s: float) -> None:
        self.rings.append(now_s)


def make() -> tuple[World, Deadlines]:
    world = World()
    world.time_s = 0.0
    return world, Deadlines(world.now_s, world.call_later)


def test_each_rings_once_at_its_time():
    world, deadlines = make()
    first, second = Bell(), Bell()
    deadlines.set_due(second, 5.0)
    deadlines.set_due(first, 2.0)
    world.advance(10.0)
    assert ([2.0], [5.0]) == (first.rings, second.rings)
    assert [] == world.due


def test_a_deadline_that_moves_away_costs_no_timer():
    world, deadlines = make()
    bell = Bell()
    for now_s in range(10):
        world.time_s = float(now_s)
        deadlines.set_due(bell, now_s + 15.0)
        assert 1 == len(world.due)
    world.advance(20.0)
    assert [24.0] == bell.rings


def test_what_is_taken_away_does_not_ring():
    world, deadlines = make()
    bells = [Bell() for _ in range(3)]
    for bell in bells:
        deadlines.set_due(bell, 1.0)
    deadlines.drop(bells[0])
    deadlines.set_due(bells[1], NEVER)
    world.advance(2.0)
    assert [[], [], [1.0]] == [bell.rings for bell in bells]
    deadlines.set_due(bells[0], 9.0)
    deadlines.close()
    assert [] == world.due


def test_one_that_rings_may_take_away_or_set_others():
    world, deadlines = make()
    other = Bell()

    class Busy(Bell):
        @override
        def expire(self, now_s: float) -> None:
            super().expire(now_s)
            deadlines.drop(other)
            deadlines.set_due(self, now_s + 1.0)

    busy = Busy()
    deadlines.set_due(busy, 1.0)
    deadlines.set_due(other, 1.0)
    world.advance(3.5)
    assert [1.0, 2.0, 3.0] == busy.rings
    assert [] == other.rings
