import asyncio
import socket

from raft.alarm import LATE_S, Alarm


class Site:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.rings = 0
        self.rang = asyncio.Event()
        self.alarm = Alarm(self._ring, lambda: self.now_s)

    def _ring(self) -> None:
        self.rings += 1
        self.rang.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self.rang.wait(), 5)


async def test_it_rings_at_the_deadline_once() -> None:
    site = Site()

    site.alarm.arm(100.001)
    await site.wait()
    await asyncio.sleep(0.01)

    assert site.rings == 1


async def test_an_earlier_deadline_counts_and_a_later_one_waits_for_the_ring() -> None:
    site = Site()

    site.alarm.arm(1000.0)
    site.alarm.arm(100.001)
    site.alarm.arm(2000.0)
    await site.wait()

    assert site.rings == 1


async def test_a_late_ring_comes_after_what_waits_in_the_sockets() -> None:
    site = Site()
    order: list[str] = []
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    loop.add_reader(theirs, lambda: order.append(theirs.recv(1).decode()))
    site.alarm.arm(100.0)
    site.now_s += LATE_S + 1
    ours.send(b"x")

    await site.wait()
    order.append("ring")

    assert order == ["x", "ring"]
    loop.remove_reader(theirs)
    ours.close()
    theirs.close()


async def test_nothing_rings_after_a_cancel_or_without_a_deadline() -> None:
    site = Site()

    site.alarm.arm(None)
    site.alarm.arm(100.0)
    site.alarm.cancel()
    site.alarm.cancel()
    await asyncio.sleep(0.01)

    assert site.rings == 0
