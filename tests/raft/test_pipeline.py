import asyncio

import pytest

from raft import pipeline as module
from raft.entries import COMMAND_BYTES_MAX, Kind, Write
from raft.errors import Overloaded, Stopped, TooLarge
from raft.pipeline import APPLY_SLICE_ENTRIES, Pipeline
from raft.storage import MemoryStorage
from tests.raft.machines import Journal


class SlowStorage(MemoryStorage):
    """Keeps writes until the test says that they are durable."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Write] = []

    def persist(self, write: Write, /) -> None:
        self.writes.append(write)


class Site:
    """A pipeline with a storage in the test's hand."""

    def __init__(self, machine: Journal | None = None) -> None:
        self.machine = machine or Journal()
        self.storage = SlowStorage()
        self.fatal: list[BaseException] = []
        self.pipeline = Pipeline(self.machine, self.storage, self.fatal.append)
        self.pipeline.term = 3
        self.pipeline.open()
        self.answers: list[tuple[int, object]] = []

    def submit(self, command: bytes) -> None:
        self.pipeline.submit(command, lambda index, result: self.answers.append((index, result)))


async def turn() -> None:
    """Let the loop run what is scheduled."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_nothing_is_applied_or_answered_before_it_is_durable() -> None:
    """Source: etcd#14370, a write was acknowledged before it was in the log."""
    site = Site()
    site.submit(b"a")
    await turn()

    assert (
        site.pipeline.last_index,
        site.pipeline.commit_index,
        site.pipeline.applied_index,
    ) == (1, 0, 0)
    assert site.machine.commands == []

    site.pipeline.persisted(1)

    assert site.machine.commands == [(1, b"a")]
    assert site.answers == [(1, 1)]


async def test_one_turn_is_one_write() -> None:
    site = Site()
    for command in (b"a", b"b", b"c"):
        site.submit(command)
    await turn()
    site.submit(b"d")
    await turn()

    assert [[entry.index for entry in write.entries] for write in site.storage.writes] == [
        [1, 2, 3],
        [4],
    ]
    assert {3} == {entry.term for write in site.storage.writes for entry in write.entries}


async def test_a_report_covers_all_writes_up_to_it() -> None:
    site = Site()
    for command in (b"a", b"b", b"c"):
        site.submit(command)
        await turn()

    site.pipeline.persisted(2)
    assert site.pipeline.applied_index == 2
    site.pipeline.persisted(3)
    assert site.answers == [(1, 1), (2, 2), (3, 3)]


async def test_no_ops_take_an_index_but_are_not_applied() -> None:
    site = Site()
    site.pipeline.append([(Kind.NO_OP, b"")])
    site.submit(b"a")
    await turn()

    site.pipeline.persisted(2)

    assert site.machine.commands == [(2, b"a")]


async def test_too_large_a_command_is_refused_and_the_limit_is_not() -> None:
    site = Site()
    site.submit(bytes(COMMAND_BYTES_MAX))

    with pytest.raises(TooLarge, match="1572865"):
        site.submit(bytes(COMMAND_BYTES_MAX + 1))


@pytest.mark.parametrize("limit", ["BACKLOG_BYTES_MAX", "BACKLOG_COUNT_MAX"])
async def test_full_backlog_is_refused_until_it_is_applied(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(module, limit, 3)
    site = Site()
    for command in (b"a", b"b", b"c"):
        site.submit(command)
    await turn()

    with pytest.raises(Overloaded, match="3 bytes of proposals"):
        site.submit(b"d")

    site.pipeline.persisted(1)
    site.submit(b"d")


async def test_a_long_apply_gives_way_to_other_callbacks() -> None:
    site = Site()
    for _ in range(APPLY_SLICE_ENTRIES + 1):
        site.submit(b"a")
    await turn()

    site.pipeline.persisted(1)
    assert site.pipeline.applied_index == APPLY_SLICE_ENTRIES
    await site.pipeline.drained()

    assert site.pipeline.applied_index == APPLY_SLICE_ENTRIES + 1


async def test_a_proposer_that_fails_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()

    def fail(index: int, result: object) -> None:
        message = "proposer bug"
        raise RuntimeError(message)

    site.pipeline.submit(b"a", fail)
    site.submit(b"b")
    await turn()
    site.pipeline.persisted(1)

    assert site.answers == [(2, 2)]
    assert "the proposer of entry 1 failed" in caplog.text


async def test_a_proposer_may_propose_again_from_its_answer() -> None:
    site = Site()
    site.pipeline.submit(b"a", lambda _index, _result: site.submit(b"b"))
    await turn()
    site.pipeline.persisted(1)
    await turn()
    site.pipeline.persisted(2)

    assert site.machine.commands == [(1, b"a"), (2, b"b")]


async def test_a_state_machine_that_raises_is_fatal() -> None:
    class Broken(Journal):
        def apply(self, index: int, command: bytes, /) -> object:
            message = "not deterministic"
            raise RuntimeError(message)

    site = Site(Broken())
    site.submit(b"a")
    await turn()
    site.pipeline.persisted(1)

    assert [str(error) for error in site.fatal] == ["not deterministic"]
    assert site.pipeline.applied_index == 0
    with pytest.raises(Stopped, match="not deterministic"):
        site.submit(b"b")


async def test_losing_durability_answers_everyone_who_waits() -> None:
    site = Site()
    proposal = asyncio.get_running_loop().create_task(site.pipeline.propose(b"a"))
    barrier = asyncio.get_running_loop().create_task(site.pipeline.applied(1))
    await turn()

    site.pipeline.failed(OSError("disk gone"))

    for waiting in (proposal, barrier):
        with pytest.raises(Stopped, match="outcome unknown: disk gone"):
            await waiting
    with pytest.raises(Stopped):
        await site.pipeline.applied(1)


async def test_a_proposer_that_went_away_is_no_error() -> None:
    site = Site()
    proposal = asyncio.get_running_loop().create_task(site.pipeline.propose(b"a"))
    await turn()
    proposal.cancel()
    await turn()

    site.pipeline.persisted(1)

    assert site.machine.commands == [(1, b"a")]


async def test_a_pause_keeps_proposals_for_later() -> None:
    site = Site()
    site.pipeline.pause()
    site.submit(b"a")
    await turn()
    assert site.storage.writes == []

    site.pipeline.restart(9, 3)
    site.pipeline.resume()
    await turn()

    assert [entry.index for entry in site.storage.writes[0].entries] == [10]


async def test_a_closed_pipeline_refuses_with_the_reason() -> None:
    site = Site()
    site.pipeline.close("the log is stopping")

    with pytest.raises(Stopped, match="the log is stopping"):
        site.submit(b"a")
    with pytest.raises(Stopped, match="not started"):
        Pipeline(Journal(), MemoryStorage(), site.fatal.append).submit(b"a", lambda *_: None)
