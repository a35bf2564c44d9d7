import asyncio
from collections.abc import Iterator

import pytest

from raft.applier import APPLY_SLICE_S, APPLY_STRIDE_ENTRIES, Applier
from raft.entries import Entry, Kind
from raft.errors import OutcomeUnknown, Stopped
from raft.proposals import Proposals
from tests.raft.machines import Journal


def entries(first: int, last: int) -> list[Entry]:
    return [Entry(index, 1, Kind.COMMAND, b"%d" % index) for index in range(first, last + 1)]


class Site:
    def __init__(self) -> None:
        self.machine = Journal()
        self.proposals = Proposals(lambda: None, lambda: None)
        self.now_s = 0.0
        self.applier = Applier(self.machine, self.proposals, lambda: self.now_s)
        self.answers: list[tuple[int, object]] = []

    def expect(self, index: int) -> None:
        self.proposals.expect(index, lambda *answer: self.answers.append(answer))


def test_no_ops_take_an_index_but_are_not_applied() -> None:
    site = Site()
    site.expect(1)

    site.applier.hand([Entry(1, 4, Kind.NO_OP), *entries(2, 2)])
    site.applier.run()

    assert site.machine.commands == [(2, b"2")]
    assert site.answers == [(1, None)]
    assert (site.applier.applied_index, site.applier.applied_term) == (2, 1)


def test_a_slice_ends_when_its_time_is_up() -> None:
    site = Site()
    apply = site.machine.apply

    def slow(index: int, command: bytes, /) -> object:
        site.now_s += APPLY_SLICE_S
        return apply(index, command)

    site.machine.apply = slow
    site.applier.hand(entries(1, 3 * APPLY_STRIDE_ENTRIES))

    site.applier.run()

    assert site.applier.applied_index == APPLY_STRIDE_ENTRIES
    assert site.applier.has_work
    assert site.applier.committed_index == 3 * APPLY_STRIDE_ENTRIES


def test_a_proposer_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()

    def fail(_index: int, _result: object) -> None:
        message = "proposer bug"
        raise RuntimeError(message)

    site.proposals.expect(1, fail)
    site.expect(2)
    site.applier.hand(entries(1, 2))
    site.applier.run()

    assert site.answers == [(2, 2)]
    assert "the proposer of entry 1 failed" in caplog.text


def test_a_restored_state_replaces_what_waited() -> None:
    site = Site()
    site.applier.hand(entries(1, 2))

    site.applier.restore(9, 3, iter([b'[[7,"c2V2ZW4="]]']))

    assert site.machine.commands == [(7, b"seven")]
    assert (site.applier.applied_index, site.applier.applied_term) == (9, 3)
    assert not site.applier.has_work
    site.applier.hand(entries(10, 10))


def test_a_state_that_cannot_be_restored_changes_nothing() -> None:
    site = Site()
    bad: Iterator[bytes] = iter([b"bad"])

    with pytest.raises(ValueError, match="malformed"):
        site.applier.restore(9, 3, bad)

    assert site.applier.applied_index == 0
    assert not site.applier.has_applied


async def test_who_waits_hears_of_success_or_loss() -> None:
    site = Site()
    loop = asyncio.get_running_loop()
    first, second, third = (loop.create_task(site.applier.applied(n)) for n in (1, 2, 3))
    await asyncio.sleep(0)

    site.applier.hand(entries(1, 1))
    site.applier.run()
    await first
    site.applier.lose(2, OutcomeUnknown())
    with pytest.raises(OutcomeUnknown):
        await third
    site.applier.fail(Stopped("disk gone"))
    with pytest.raises(Stopped):
        await second
    with pytest.raises(Stopped):
        await site.applier.applied(4)
    await site.applier.applied(1)
