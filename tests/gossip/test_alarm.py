import asyncio

from gossip.alarm import DELAY_S_MIN, Alarm


class Clock:
    """A clock that stands still, and what the loop was asked for."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_alarm_rings_once_at_its_deadline() -> None:
    rung = asyncio.Event()
    alarm = Alarm(rung.set, Clock())

    alarm.set(100.01)

    await asyncio.wait_for(rung.wait(), 2.0)
    rung.clear()
    await asyncio.sleep(0.03)
    assert not rung.is_set()


async def test_moved_alarm_does_not_ring_at_the_old_deadline() -> None:
    rings: list[str] = []
    alarm = Alarm(lambda: rings.append("ring"), Clock())

    alarm.set(100.01)
    alarm.set(200.0)
    await asyncio.sleep(0.04)

    assert [] == rings
    alarm.set(None)


async def test_alarm_without_a_deadline_does_not_ring() -> None:
    rings: list[str] = []
    alarm = Alarm(lambda: rings.append("ring"), Clock())

    alarm.set(100.01)
    alarm.set(None)
    await asyncio.sleep(0.04)

    assert [] == rings


async def test_deadline_in_the_past_rings_after_the_shortest_delay() -> None:
    loop = asyncio.get_running_loop()
    rung = asyncio.Event()
    alarm = Alarm(rung.set, Clock())
    before = loop.time()

    alarm.set(1.0)

    await asyncio.wait_for(rung.wait(), 2.0)
    assert loop.time() - before >= DELAY_S_MIN / 2


async def test_alarm_may_be_set_again_to_the_deadline_it_rang_at() -> None:
    rung = asyncio.Event()
    alarm = Alarm(rung.set, Clock())
    alarm.set(100.0)
    await asyncio.wait_for(rung.wait(), 2.0)
    rung.clear()

    alarm.set(100.0)

    await asyncio.wait_for(rung.wait(), 2.0)
