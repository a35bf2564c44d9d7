import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from proxy import hand_over
from proxy import worker as worker_module
from proxy.messages import (
    Applied,
    Configure,
    Drain,
    Drained,
    HandOver,
    Hello,
    Ready,
    Remove,
    Report,
    ToAgent,
)
from proxy.worker import EXIT_FAILED, Options, Worker, World
from tests.proxy.fake_agent import FakeAgent
from tests.proxy.fakes import Fakes, listener, proxy, until

Said = TypeVar("Said", bound=ToAgent)
WORLD = World(
    now_s=time.monotonic,
    wall_s=time.time,
    random=lambda: 0.0,
    start=lambda name, work: asyncio.get_running_loop().create_task(work, name=name),
    each_second=lambda: None,
)


class Running:
    """A worker in this process, with fake parts."""

    def __init__(self, path: Path, **options: object) -> None:
        self.fakes = Fakes()
        defaults = Options(feed=path / "feed.sock", version="1")
        self.worker = Worker(
            msgspec.structs.replace(defaults, **options), WORLD, lambda _: self.fakes.parts
        )
        self.life = asyncio.get_running_loop().create_task(self.worker.run())


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "REPORT_INTERVAL_S", 0.02)


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[FakeAgent]:
    agent = FakeAgent(tmp_path / "feed.sock")
    await agent.start()
    yield agent
    await agent.close()


@pytest.fixture
async def running(agent: FakeAgent, tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(tmp_path)
    yield running
    running.life.cancel()
    await asyncio.wait([running.life])


async def heard(agent: FakeAgent, kind: type[Said]) -> Said:
    """What the agent hears next of a kind."""
    while True:
        message = await agent.hear()
        if isinstance(message, kind):
            return message


async def test_it_says_who_it_is_and_answers_each_configuration(
    agent: FakeAgent, running: Running
) -> None:
    assert Hello(version="1", pid=os.getpid()) == await heard(agent, Hello)
    running.fakes.taken.add("127.0.0.1:1")

    agent.tell(Configure(version=4, config=proxy(listener("a", 1))))

    faults = {"a": "127.0.0.1:1: Address already in use"}
    assert Applied(id="web", version=4, faults=faults) == await heard(agent, Applied)


async def test_what_it_serves_outlives_the_agent_and_is_told_to_the_next_one(
    agent: FakeAgent, running: Running
) -> None:
    await heard(agent, Hello)
    agent.tell(Configure(version=4, config=proxy()))
    await heard(agent, Applied)

    agent.stop()
    await agent.start()

    assert {"web": 4} == (await heard(agent, Hello)).serving
    assert running.fakes.acceptors[0].is_accepting


async def test_what_is_removed_is_no_longer_told(agent: FakeAgent, running: Running) -> None:
    await heard(agent, Hello)
    agent.tell(Configure(version=4, config=proxy()))
    agent.tell(Remove(id="web"))
    await until(lambda: running.fakes.acceptors and not running.fakes.acceptors[0].is_accepting)

    agent.stop()
    await agent.start()

    assert {} == (await heard(agent, Hello)).serving


async def test_it_reports_how_it_does(agent: FakeAgent, running: Running) -> None:
    report = await heard(agent, Report)

    assert abs(report.at_s - time.time()) < 60
    assert report.resident_bytes > 1_000_000
    assert report.loop_lag_ms >= 0


async def test_nothing_that_was_seen_is_lost_while_the_agent_is_away(
    agent: FakeAgent, running: Running
) -> None:
    await heard(agent, Hello)
    agent.stop()
    running.worker.recording.count_handshake_failure("web", "unknown ca")
    await agent.start()

    report = await heard(agent, Report)

    assert {"web": {"unknown ca": 1}} == report.handshake_failures


async def test_told_to_drain_it_says_when_it_has_and_ends(
    agent: FakeAgent, running: Running
) -> None:
    await heard(agent, Hello)
    agent.tell(Configure(version=1, config=proxy()))
    await heard(agent, Applied)
    running.fakes.acceptors[0].connect()

    agent.tell(Drain(drain_s=0.0))

    assert Drained(cut=1) == await heard(agent, Drained)
    assert 0 == await running.life


async def test_asked_twice_to_end_it_ends_at_once(agent: FakeAgent, running: Running) -> None:
    await heard(agent, Hello)
    agent.tell(Configure(version=1, config=proxy()))
    await heard(agent, Applied)
    running.fakes.acceptors[0].connect()

    running.worker.end()
    await asyncio.sleep(0)
    assert not running.life.done()
    running.worker.end()

    assert 0 == await running.life


async def test_an_orphan_ends_when_its_time_is_over(agent: FakeAgent, tmp_path: Path) -> None:
    orphan = Running(tmp_path, orphan_s=0.1)
    await heard(agent, Hello)

    agent.stop()

    assert 0 == await orphan.life


async def test_a_worker_that_cannot_take_the_sockets_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_over, "WAIT_S", 0.05)

    failing = Running(tmp_path, adopt=tmp_path / "nobody")

    assert EXIT_FAILED == await failing.life


async def test_with_all_sockets_claimed_it_is_ready(
    agent: FakeAgent, running: Running, tmp_path: Path
) -> None:
    await heard(agent, Hello)
    agent.tell(HandOver(path=str(tmp_path / "give")))
    adopting = Running(tmp_path, adopt=tmp_path / "give")

    assert isinstance(await heard(agent, Ready), Ready)

    adopting.life.cancel()
    await asyncio.wait([adopting.life])


async def test_a_proxy_that_cannot_be_configured_is_a_fault_and_others_are_served(
    agent: FakeAgent, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await heard(agent, Hello)

    monkeypatch.setattr(running.fakes, "taken", None)
    agent.tell(Configure(version=1, config=proxy()))
    assert "not configured" in (await heard(agent, Applied)).faults[""]

    monkeypatch.setattr(running.fakes, "taken", set())
    agent.tell(Configure(version=2, config=proxy(id="other")))
    assert {} == (await heard(agent, Applied)).faults


async def test_a_report_that_fails_is_not_the_last_one(
    agent: FakeAgent, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await heard(agent, Report)
    with monkeypatch.context() as failing:
        failing.setattr(running.worker.recording, "take", None)
        await asyncio.sleep(0.05)

    assert isinstance(await heard(agent, Report), Report)


async def test_an_orphan_whose_agents_directory_is_gone_ends_at_once(tmp_path: Path) -> None:
    orphan = Running(tmp_path, feed=tmp_path / "gone" / "feed.sock")

    assert 0 == await orphan.life
