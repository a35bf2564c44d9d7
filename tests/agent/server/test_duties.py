"""What comes and goes with the leadership."""

import asyncio
from typing import NamedTuple

import pytest

from agent.server import duties
from agent.server.duties import Duties
from agent.tasks import Tasks
from raft.errors import NoLeader
from tests.agent.harness import until, within


class Change(NamedTuple):
    is_leader: bool
    term: int = 1


WON, LOST = Change(is_leader=True), Change(is_leader=False)


class Office:
    """Notes what happens; beginning fails while there are ``errors``."""

    def __init__(self) -> None:
        self.tasks = Tasks()
        self.happened: list[str] = []
        self.errors: list[Exception] = []
        self.duties = Duties(self.begin, {"loop": self.loop}, self.end, self.tasks.start)

    async def begin(self) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.happened.append("begun")

    async def loop(self) -> None:
        self.happened.append("loop")
        try:
            await asyncio.Event().wait()
        finally:
            self.happened.append("loop ended")

    def end(self) -> None:
        self.happened.append("ended")


@pytest.fixture
async def office():
    made = Office()
    yield made
    made.duties.stop()
    await made.tasks.close()


async def test_loops_run_once_everything_has_begun(office: Office):
    office.duties.leadership_changed(WON)
    await within(office.duties.begun())
    await until(lambda: "loop" in office.happened)

    assert office.happened == ["begun", "loop"]


async def test_a_loss_ends_what_was_begun(office: Office):
    office.duties.leadership_changed(WON)
    await until(lambda: "loop" in office.happened)

    office.duties.leadership_changed(LOST)

    await until(lambda: "loop ended" in office.happened)
    assert office.happened == ["begun", "loop", "ended", "loop ended"]


async def test_gain_loss_gain_in_one_turn_begins_once(office: Office):
    for change in (WON, LOST, WON):
        office.duties.leadership_changed(change)
    await within(office.duties.begun())
    await until(lambda: "loop" in office.happened)

    assert office.happened == ["ended", "begun", "loop"]


async def test_a_loss_without_a_gain_is_nothing(office: Office):
    office.duties.leadership_changed(LOST)

    assert office.happened == []


async def test_a_beginning_that_fails_is_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(duties, "RETRY_S", 0.0)
    office.errors = [NoLeader(), NoLeader()]

    office.duties.leadership_changed(WON)

    await within(office.duties.begun())
    assert office.errors == []


async def test_beginning_again_ends_first(office: Office):
    office.duties.leadership_changed(WON)
    await until(lambda: "loop" in office.happened)

    await within(office.duties.again())
    await until(lambda: office.happened.count("loop") == 2)

    assert office.happened == ["begun", "loop", "ended", "loop ended", "begun", "loop"]


async def test_who_does_not_lead_does_not_begin_again(office: Office):
    await within(office.duties.again())

    assert office.happened == []
