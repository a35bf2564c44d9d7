import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy import feed as feed_module
from proxy.feed import Feed
from proxy.frames import frame
from proxy.messages import Applied, Hello, Remove, Report, ToWorker
from tests.proxy.fake_agent import FakeAgent
from tests.proxy.fakes import until


class Obeying:
    def __init__(self, path: Path) -> None:
        self.told: asyncio.Queue[ToWorker] = asyncio.Queue()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.feed = Feed(
            path,
            hello=lambda: Hello(version="1", pid=7),
            obey=self._obey,
            now_s=time.monotonic,
            random=lambda: 0.0,
        )

    async def _obey(self, message: ToWorker) -> None:
        self.told.put_nowait(message)
        await self.may_go_on.wait()


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[FakeAgent]:
    agent = FakeAgent(tmp_path / "feed.sock")
    await agent.start()
    yield agent
    await agent.close()


@pytest.fixture
async def worker(agent: FakeAgent, tmp_path: Path) -> AsyncIterator[Obeying]:
    obeying = Obeying(tmp_path / "feed.sock")
    running = asyncio.get_running_loop().create_task(obeying.feed.run())
    yield obeying
    running.cancel()
    await asyncio.wait([running])


async def test_it_says_hello_obeys_and_answers(agent: FakeAgent, worker: Obeying) -> None:
    assert Hello(version="1", pid=7) == await agent.hear()

    agent.writers[0].write(frame(Remove(id="a")) + frame(Remove(id="b")))
    assert [Remove(id="a"), Remove(id="b")] == [await worker.told.get() for _ in "ab"]

    assert worker.feed.send(Applied(id="a", version=3))
    assert Applied(id="a", version=3) == await agent.hear()
    assert 0.0 == worker.feed.lost_for_s


async def test_a_message_waits_until_the_one_before_it_is_obeyed(
    agent: FakeAgent, worker: Obeying
) -> None:
    await agent.hear()
    worker.may_go_on.clear()

    agent.writers[0].write(frame(Remove(id="a")) + frame(Remove(id="b")))
    assert Remove(id="a") == await worker.told.get()
    assert worker.told.empty()
    worker.may_go_on.set()

    assert Remove(id="b") == await worker.told.get()


async def test_it_connects_again_when_the_agent_is_back(agent: FakeAgent, worker: Obeying) -> None:
    await agent.hear()
    agent.stop()
    await until(lambda: not worker.feed.is_connected)
    assert not worker.feed.send(Applied(id="a", version=1))
    assert worker.feed.lost_for_s > 0

    await agent.start()

    assert Hello(version="1", pid=7) == await agent.hear()
    assert worker.feed.is_connected


async def test_noise_ends_a_conversation_and_another_begins(
    agent: FakeAgent, worker: Obeying
) -> None:
    await agent.hear()

    agent.writers[0].write(b"\x00\x00\x00\x01noise")

    assert isinstance(await agent.hear(), Hello)


async def test_an_agent_that_does_not_read_misses_reports_alone(
    agent: FakeAgent, worker: Obeying, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.hear()
    monkeypatch.setattr(feed_module, "SEND_BYTES_MAX", -1)

    assert not worker.feed.send(Report(at_s=1.0))
    assert worker.feed.send(Applied(id="a", version=1))

    assert Applied(id="a", version=1) == await agent.hear()


async def test_the_last_word_is_taken_before_the_end(agent: FakeAgent, worker: Obeying) -> None:
    await agent.hear()
    worker.feed.send(Applied(id="x" * 1_000_000, version=1))

    await worker.feed.sent()

    assert isinstance(await agent.hear(), Applied)
