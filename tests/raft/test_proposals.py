import pytest

from raft import proposals as module
from raft.entries import COMMAND_BYTES_MAX
from raft.errors import NoLeader, OutcomeUnknown, Overloaded, StaleTerm, Stopped, TooLarge
from raft.proposals import Proposals


class Site:
    """Proposals of a leader in term 3, with nothing behind them."""

    def __init__(self) -> None:
        self.wakes = 0
        self.shortage: str | None = None
        self.looks = 0
        self.now_s = 100.0
        self.proposals = Proposals(self._wake, self._look)
        self.proposals.refusal = None
        self.proposals.term = 3
        self.answers: list[tuple[int, object]] = []

    def _wake(self) -> None:
        self.wakes += 1

    def _look(self) -> str | None:
        self.looks += 1
        return self.shortage

    def done(self, index: int, result: object) -> None:
        self.answers.append((index, result))

    def submit(self, command: bytes, term: int = 0) -> None:
        self.proposals.submit(command, self.done, term)

    def accept(self, first_index: int) -> None:
        self.proposals.accepted(first_index, *self.proposals.take_batch(), self.now_s)


def test_one_batch_wakes_once() -> None:
    site = Site()

    for command in (b"a", b"b"):
        site.submit(command)

    assert site.wakes == 1
    assert site.proposals.take_batch()[0] == [b"a", b"b"]
    assert not site.proposals.has_batch


def test_nothing_is_taken_before_the_log_has_started() -> None:
    proposals = Proposals(lambda: None, lambda: None)

    with pytest.raises(Stopped, match="not started"):
        proposals.submit(b"a", lambda *_: None)


def test_a_refusal_says_why() -> None:
    site = Site()
    site.proposals.refusal = NoLeader

    with pytest.raises(NoLeader, match="No cluster leader"):
        site.submit(b"a")


def test_a_proposal_for_another_term_is_refused() -> None:
    site = Site()
    site.submit(b"a", 3)

    with pytest.raises(StaleTerm):
        site.submit(b"b", 2)


def test_too_large_a_command_is_refused_and_the_limit_is_not() -> None:
    site = Site()
    site.submit(bytes(COMMAND_BYTES_MAX))

    with pytest.raises(TooLarge, match="1572865"):
        site.submit(bytes(COMMAND_BYTES_MAX + 1))


@pytest.mark.parametrize("limit", ["BACKLOG_BYTES_MAX", "BACKLOG_COUNT_MAX"])
def test_full_backlog_is_refused_until_it_is_applied(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(module, limit, 3)
    site = Site()
    for command in (b"a", b"b", b"c"):
        site.submit(command)
    site.accept(7)

    with pytest.raises(Overloaded, match="3 bytes of proposals"):
        site.submit(b"d")

    del site.proposals.waiting[7]
    site.proposals.release(1)
    site.submit(b"d")


def test_what_is_not_committed_has_an_unknown_outcome() -> None:
    site = Site()
    for command in (b"a", b"b"):
        site.submit(command)
    site.accept(7)

    site.proposals.lose(7, OutcomeUnknown())

    assert [0] == [index for index, _ in site.answers]
    assert isinstance(site.answers[0][1], OutcomeUnknown)
    assert list(site.proposals.waiting) == [7]


def test_what_was_not_in_the_log_yet_is_refused_for_certain() -> None:
    site = Site()
    site.submit(b"a")
    site.proposals.refusal = NoLeader

    site.proposals.lose(7, OutcomeUnknown())

    assert isinstance(site.answers[0][1], NoLeader)


def test_a_refused_batch_is_told_and_no_longer_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKLOG_BYTES_MAX", 3)
    site = Site()
    site.submit(b"abc")

    site.proposals.refuse(*site.proposals.take_batch(), NoLeader())

    assert isinstance(site.answers[0][1], NoLeader)
    site.submit(b"abc")


def test_lost_proposals_are_not_charged_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source: cockroach#31689, a leak of the quota made every proposal drop."""
    monkeypatch.setattr(module, "BACKLOG_BYTES_MAX", 5)
    site = Site()
    site.submit(b"abc")
    site.accept(7)
    site.proposals.lose(6, OutcomeUnknown())

    site.submit(b"d")
    site.accept(8)

    site.submit(b"efgh")


def test_a_full_disk_refuses_until_there_is_room() -> None:
    site = Site()
    site.shortage = "the disk is full"
    site.submit(b"a")
    site.accept(7)

    with pytest.raises(Overloaded, match="the disk is full"):
        site.submit(b"b")

    site.shortage = None
    site.submit(b"b")


def test_the_disk_is_looked_at_once_in_a_while() -> None:
    site = Site()
    for index in range(1, 11):
        site.submit(b"a")
        site.accept(index)
    assert 1 == site.looks

    site.now_s += module.LOOK_INTERVAL_S
    site.submit(b"a")
    site.accept(11)

    assert 2 == site.looks


def test_the_disk_is_looked_at_sooner_when_much_was_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_BYTES", 4)
    site = Site()
    looks = []
    for index in range(1, 8):
        site.submit(b"ab")
        site.accept(index)
        looks.append(site.looks)

    assert [1, 1, 2, 2, 3, 3, 4] == looks


def test_a_proposer_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()

    def fail(_index: int, _result: object) -> None:
        message = "proposer bug"
        raise RuntimeError(message)

    site.proposals.submit(b"a", fail)
    site.submit(b"b")
    site.accept(7)

    site.proposals.lose(0, OutcomeUnknown())

    assert len(site.answers) == 1
    assert "a proposer failed" in caplog.text
