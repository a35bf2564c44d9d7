"""The turn of the loop on a lone server whose storage is in the test's hand."""

import asyncio
import random
import time

import pytest

from raft.applier import APPLY_STRIDE_ENTRIES
from raft.core.node import Raft
from raft.core.types import Restart, Role
from raft.engine import LATE_S, Engine
from raft.entries import Write
from raft.errors import NoLeader, OutcomeUnknown, Stopped
from raft.machine import Settings, Surroundings
from raft.storage import MemoryStorage
from tests.raft.machines import ALONE, SERVER_ID, Journal


class SlowStorage(MemoryStorage):
    """Keeps writes until the test says that they are durable."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Write] = []

    def persist(self, write: Write, /) -> None:
        self.writes.append(write)


class Site:
    """An engine that leads; entries 1 and 2 are the membership and the no-op."""

    def __init__(self, machine: Journal | None = None) -> None:
        self.machine = machine or Journal()
        self.storage = SlowStorage()
        self.fatal: list[BaseException] = []
        self.skew_s = 0.0
        surroundings = Surroundings(
            wall_s=time.time,
            monotonic_s=lambda: time.monotonic() + self.skew_s,
            random=random.random,
            start_task=lambda name, work: asyncio.get_running_loop().create_task(work, name=name),
            on_fatal=self.fatal.append,
        )
        self.engine = Engine(self.machine, self.storage, surroundings)
        settings = Settings().for_core(keeps_log=True)
        self.raft = Raft(SERVER_ID, settings, surroundings, time.monotonic(), Restart())
        self.raft.bootstrap(ALONE, time.monotonic())
        self.engine.begin(self.raft)
        for _ in range(3):
            self.report()
        assert self.engine.leadership.is_leader
        assert self.engine.applier.applied_index == 2
        self.storage.writes.clear()
        self.answers: list[tuple[int, object]] = []

    def submit(self, command: bytes) -> None:
        self.engine.proposals.submit(
            command, lambda index, result: self.answers.append((index, result))
        )

    def report(self, count: int = 0) -> None:
        """All writes are durable, or the first ``count``."""
        writes = self.storage.writes[:count] if count else self.storage.writes
        self.engine.persisted(writes[-1].sequence)


async def turn() -> None:
    """Let the loop run what is scheduled."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_nothing_is_applied_or_answered_before_it_is_durable() -> None:
    """Source: etcd#14370, a write was acknowledged before it was in the log."""
    site = Site()
    site.submit(b"a")
    await turn()

    assert (site.raft.last_index, site.raft.commit_index) == (3, 2)
    assert site.machine.commands == []

    site.report()

    assert site.machine.commands == [(3, b"a")]
    assert site.answers == [(3, 1)]


async def test_one_turn_is_one_write() -> None:
    site = Site()
    for command in (b"a", b"b", b"c"):
        site.submit(command)
    await turn()
    site.submit(b"d")
    await turn()

    assert [[entry.index for entry in write.entries] for write in site.storage.writes] == [
        [3, 4, 5],
        [6],
    ]


async def test_a_report_covers_all_writes_up_to_it() -> None:
    site = Site()
    for command in (b"a", b"b", b"c"):
        site.submit(command)
        await turn()

    site.report(2)
    assert site.engine.applier.applied_index == 4
    site.report()
    assert site.answers == [(3, 1), (4, 2), (5, 3)]


async def test_a_long_apply_gives_way_to_other_callbacks() -> None:
    class Slow(Journal):
        def apply(self, index: int, command: bytes, /) -> object:
            site.skew_s += 0.001
            return super().apply(index, command)

    site = Site(Slow())
    for _ in range(APPLY_STRIDE_ENTRIES + 1):
        site.submit(b"a")
    await turn()

    site.report()
    assert site.engine.applier.applied_index == 2 + APPLY_STRIDE_ENTRIES
    await site.engine.drained()

    assert site.engine.applier.applied_index == 3 + APPLY_STRIDE_ENTRIES


async def test_a_pause_keeps_proposals_for_later() -> None:
    site = Site()
    site.engine.pause()
    site.submit(b"a")
    await turn()
    assert site.storage.writes == []

    site.engine.resume()
    await turn()

    assert [entry.payload for entry in site.storage.writes[0].entries] == [b"a"]


async def test_a_state_machine_that_raises_is_fatal() -> None:
    class Broken(Journal):
        def apply(self, index: int, command: bytes, /) -> object:
            message = "not deterministic"
            raise RuntimeError(message)

    site = Site(Broken())
    site.submit(b"a")
    await turn()
    site.report()

    assert [str(error) for error in site.fatal] == ["not deterministic"]
    with pytest.raises(Stopped, match="not deterministic"):
        site.submit(b"b")


async def test_losing_durability_answers_everyone_who_waits() -> None:
    site = Site()
    loop = asyncio.get_running_loop()
    site.submit(b"a")
    await turn()
    barrier = loop.create_task(site.engine.applier.applied(3))
    reads: list[object] = []
    site.engine.read(lambda _index, error: reads.append(error), lease_allowed=False)
    await asyncio.sleep(0)

    site.engine.failed(OSError("disk gone"))

    with pytest.raises(Stopped, match="outcome unknown: disk gone"):
        await barrier
    assert [0] == [index for index, _ in site.answers]
    assert isinstance(site.answers[0][1], OutcomeUnknown)
    with pytest.raises(Stopped):
        await site.engine.applier.applied(3)
    with pytest.raises(Stopped):
        site.engine.running()


async def test_a_read_is_served_in_the_turn_that_confirms_it() -> None:
    site = Site()
    reads: list[tuple[int, object]] = []

    site.engine.read(lambda index, error: reads.append((index, error)), lease_allowed=True)
    await turn()

    assert [(2, None)] == reads


async def test_a_disk_that_hangs_ends_the_leadership() -> None:
    """Source: hashicorp/raft#503: a leader whose disk hangs kept the cluster frozen."""
    site = Site()
    site.submit(b"a")
    await turn()

    ended = asyncio.Event()
    site.engine.leadership.subscribe(lambda _change: ended.set())
    site.skew_s += 10.0
    await asyncio.wait_for(ended.wait(), 5)

    assert [0] == [index for index, _ in site.answers]
    with pytest.raises(NoLeader):
        site.submit(b"b")


async def test_who_waits_for_an_entry_of_a_leadership_that_is_over_is_told() -> None:
    site = Site()
    ended = asyncio.Event()
    site.engine.leadership.subscribe(lambda _change: ended.set())
    site.submit(b"a")
    await turn()
    site.skew_s += 10.0
    await asyncio.wait_for(ended.wait(), 5)
    told: list[tuple[int, object]] = []

    site.engine.expect(4, lambda index, result: told.append((index, result)))

    assert [0] == [index for index, _ in told]
    assert isinstance(told[0][1], OutcomeUnknown)
    with pytest.raises(OutcomeUnknown):
        await site.engine.drained()


async def test_what_waits_in_the_sockets_comes_before_a_late_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site()
    order: list[str] = []
    ticked = asyncio.Event()

    def tick(_raft: Raft, _now: float) -> None:
        order.append("tick")
        ticked.set()

    monkeypatch.setattr(Raft, "tick", tick)
    loop = asyncio.get_running_loop()
    site.skew_s += 10 * LATE_S

    site.engine._ring()
    loop.call_soon(lambda: order.append("message"))
    await asyncio.wait_for(ticked.wait(), 5)

    assert order[:2] == ["message", "tick"]


async def test_a_snapshot_that_cannot_be_read_is_made() -> None:
    site = Site()
    site.engine._snapshot_unreadable("1-1-1")

    assert site.engine.is_snapshot_missed
    assert site.raft.role is Role.LEADER
