"""Config entries that a new leader writes where there are none."""

import pytest
import structlog

from agent.server.config_seed import entries_of, seed
from catalog.apply import StateMachine
from catalog.errors import Invalid
from catalog.tables import CONFIG_ENTRIES

HTTP = {"kind": "service-defaults", "name": "web", "protocol": "http"}
TCP = {**HTTP, "protocol": "tcp"}
WEB = ("service-defaults", "web")


class Log:
    """A log that applies at once."""

    def __init__(self):
        self.machine = StateMachine(lambda _effect: None)
        self.index = 0

    async def propose(self, command):
        self.index += 1
        return self.machine.apply(self.index, command)

    async def seed(self, *bodies):
        await seed(entries_of(bodies), self.machine.store, self.propose)


async def test_entry_that_is_absent_is_written():
    log = Log()

    await log.seed(HTTP)

    assert "http" == log.machine.store.get(CONFIG_ENTRIES, WEB).protocol


async def test_entry_that_is_there_stays_as_it_is():
    log = Log()
    await log.seed(HTTP)

    await log.seed(TCP)

    assert "http" == log.machine.store.get(CONFIG_ENTRIES, WEB).protocol
    assert 1 == log.index


async def test_entry_that_others_refuse_is_told_of_and_the_next_one_is_written():
    log = Log()
    splitter = {"kind": "service-splitter", "name": "web", "splits": [{"weight": 100}]}

    with structlog.testing.capture_logs() as lines:
        await log.seed(splitter, HTTP)

    assert ["config entry not written"] == [line["event"] for line in lines]
    assert log.machine.store.get(CONFIG_ENTRIES, WEB) is not None


def test_entry_that_contradicts_itself_is_refused():
    with pytest.raises(Invalid, match="no splits configured"):
        entries_of([{"kind": "service-splitter", "name": "web"}])
