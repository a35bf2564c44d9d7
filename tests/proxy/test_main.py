import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.main import main
from proxy.messages import Applied, Configure, Hello, Report
from tests.proxy.fake_agent import FakeAgent
from tests.proxy.fakes import until
from tests.proxy.test_worker import heard
from tests.proxy.worker_process import WorkerUnderTest, ask, echo, relay, worker_process

RESIDENT_BYTES_MAX = 60 * 1024 * 1024


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[FakeAgent]:
    agent = FakeAgent(tmp_path / "feed.sock")
    await agent.start()
    yield agent
    await agent.close()


@pytest.fixture
async def worker(agent: FakeAgent, tmp_path: Path) -> AsyncIterator[WorkerUnderTest]:
    async with worker_process(tmp_path / "feed.sock") as worker:
        await heard(agent, Hello)
        yield worker


def test_a_worker_without_a_feed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main([])

    assert 2 == refused.value.code
    assert "--feed" in capsys.readouterr().err


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    text = capsys.readouterr().out
    assert all(name in text for name in ("--feed", "--slot", "--only", "--adopt", "--orphan-s"))


async def test_what_it_is_told_is_served(
    agent: FakeAgent, worker: WorkerUnderTest, tmp_path: Path
) -> None:
    async with echo() as port:
        agent.tell(Configure(version=1, config=relay(tmp_path / "a.sock", port)))
        assert {} == (await heard(agent, Applied)).faults

        assert b"hello" == await ask(tmp_path / "a.sock", b"hello")

        report = await heard(agent, Report)
        assert report.resident_bytes < RESIDENT_BYTES_MAX
        while not report.edges:
            report = await heard(agent, Report)
        assert "web" == report.edges[0].edge.proxy


async def test_an_open_connection_outlives_a_change_and_the_agent(
    agent: FakeAgent, worker: WorkerUnderTest, tmp_path: Path
) -> None:
    listen = tmp_path / "a.sock"
    async with echo(b"1") as first, echo(b"2") as second:
        agent.tell(Configure(version=1, config=relay(listen, first)))
        await heard(agent, Applied)
        reader, writer = await asyncio.open_unix_connection(str(listen))
        writer.write(b"a")
        assert b"1a" == await reader.readexactly(2)

        agent.tell(Configure(version=2, config=relay(listen, second)))
        await heard(agent, Applied)
        assert b"2b" == await ask(listen, b"b", b"2b")
        agent.stop()
        assert b"2c" == await ask(listen, b"c", b"2c")
        writer.write(b"d")
        assert b"1d" == await reader.readexactly(2)

        await agent.start()
        assert {"web": 2} == (await heard(agent, Hello)).serving
        writer.close()


async def test_told_to_terminate_it_ends_what_is_open_first(
    agent: FakeAgent, worker: WorkerUnderTest, tmp_path: Path
) -> None:
    listen = tmp_path / "a.sock"
    async with echo() as port:
        agent.tell(Configure(version=1, config=relay(listen, port)))
        await heard(agent, Applied)
        reader, writer = await asyncio.open_unix_connection(str(listen))
        writer.write(b"a")
        await reader.readexactly(1)

        worker.signal(signal.SIGTERM)
        await until(lambda: not listen.exists())
        writer.write(b"b")
        assert b"b" == await reader.readexactly(1)
        writer.close()

        assert 0 == await worker.ended()


async def test_without_an_agent_it_ends_after_a_while(agent: FakeAgent, tmp_path: Path) -> None:
    async with worker_process(tmp_path / "feed.sock", "--orphan-s", "0") as orphan:
        await heard(agent, Hello)
        agent.stop()

        assert 0 == await orphan.ended()


async def test_it_serves_only_what_it_was_started_for(agent: FakeAgent, tmp_path: Path) -> None:
    feed = tmp_path / "feed.sock"
    async with worker_process(feed, "--only", "a", "--only", "b", "--slot", "3"):
        hello = await heard(agent, Hello)

    assert (("a", "b"), 3) == (hello.proxies, hello.slot)
