import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from zlib import crc32

import pytest

from agent.mesh.feed_server import FeedServer, Worker
from agent.tasks import Tasks
from proxy.api import ProxyConfig
from proxy.messages import Applied, Hello, Remove, Report, Tap, Tapped
from tests.agent.mesh.fake_worker import FakeWorker
from tests.proxy.fakes import until

Connect = Callable[..., Awaitable[FakeWorker]]


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    await tasks.close()


@pytest.fixture
async def feed(tmp_path: Path, tasks: Tasks) -> AsyncIterator[FeedServer]:
    feed = FeedServer(tmp_path / "mesh" / "feed.sock", tasks)
    await feed.start()
    yield feed
    await feed.close()
    await until(lambda: not feed.workers)


@pytest.fixture
async def connect(feed: FeedServer) -> AsyncIterator[Connect]:
    """Have a worker come that says this hello."""
    workers: list[FakeWorker] = []

    async def come(hello: Hello | None = None) -> FakeWorker:
        workers.append(await FakeWorker.connect(feed.path, hello))
        return workers[-1]

    yield come
    for worker in workers:
        await worker.close()


def config(id: str, index: int = 1) -> ProxyConfig:
    return ProxyConfig(id=id, service=id, index=index, drain_s=7.0)


async def test_a_worker_is_told_what_is_wanted_and_what_changes(
    feed: FeedServer, connect: Connect
) -> None:
    feed.put(config("a"))
    worker = await connect()
    assert ("a", 1) == await worker.configured()

    feed.put(config("b"))
    assert ("b", 1) == await worker.configured()
    feed.put(config("a", 2))
    assert ("a", 2) == await worker.configured()
    feed.remove("b")
    assert Remove(id="b", drain_s=7.0) == await worker.hear()


async def test_of_many_changes_a_worker_is_told_the_newest(
    feed: FeedServer, connect: Connect
) -> None:
    worker = await connect()
    await until(lambda: feed.workers)

    for index in range(100):
        feed.put(config("a", index))

    assert ("a", 99) == await worker.configured()


async def test_a_worker_that_comes_back_is_told_what_it_lacks(
    feed: FeedServer, connect: Connect
) -> None:
    feed.put(config("a"))
    feed.put(config("b"))
    feed.put(config("c"))
    versions = {id: state.version for id, state in feed.proxies.items()}
    feed.put(config("b", 2))
    feed.remove("c")

    worker = await connect(Hello(version="1", pid=1, serving=versions))

    assert Remove(id="c", drain_s=7.0) == await worker.hear()
    assert ("b", 2) == await worker.configured()
    feed.put(config("d"))
    assert ("d", 1) == await worker.configured()


async def test_what_an_earlier_agent_told_stays_until_all_proxies_are_known(
    feed: FeedServer, connect: Connect
) -> None:
    serving = {"a": 1, "b": 1, "gone": 1}
    worker = await connect(Hello(version="1", pid=1, serving=serving))
    feed.put(config("a"))
    assert ("a", 1) == await worker.configured()

    feed.keep_only(["a", "b"])

    message = await worker.hear()
    assert isinstance(message, Remove)
    assert "gone" == message.id
    feed.put(config("b"))
    assert ("b", 1) == await worker.configured()


async def test_a_worker_that_a_user_started_serves_its_proxies_and_no_others(
    feed: FeedServer, connect: Connect
) -> None:
    own = await connect()
    feed.put(config("a"))
    feed.put(config("b"))
    assert {"a", "b"} == {(await own.configured())[0] for _ in "ab"}

    users = await connect(Hello(version="1", pid=2, proxies=("b", "z")))
    assert ("b", 1) == await users.configured()
    assert Remove(id="b", drain_s=7.0) == await own.hear()

    await users.close()
    assert ("b", 1) == await own.configured()


async def test_each_proxy_is_of_one_of_several_workers(feed: FeedServer, connect: Connect) -> None:
    feed.slot_count = 2
    workers = [await connect(Hello(version="1", pid=slot, slot=slot)) for slot in (0, 1)]
    names = [f"p{number}" for number in range(20)]
    for name in names:
        feed.put(config(name))

    for slot, worker in enumerate(workers):
        wanted = {name for name in names if crc32(name.encode()) % 2 == slot}
        assert wanted == {(await worker.configured())[0] for _ in wanted}


async def test_a_worker_that_retires_is_told_of_changes_and_of_nothing_new(
    feed: FeedServer, connect: Connect
) -> None:
    feed.put(config("a"))
    worker = await connect()
    await worker.configured()

    feed.workers[0].is_retiring = True
    feed.put(config("b"))
    feed.put(config("a", 2))

    assert ("a", 2) == await worker.configured()
    feed.remove("a")
    assert isinstance(await worker.hear(), Remove)


async def test_it_is_known_how_far_a_configuration_has_come(
    feed: FeedServer, connect: Connect
) -> None:
    feed.put(config("a"))
    assert (0, {}) == (feed.proxies["a"].workers, feed.proxies["a"].faults)
    assert feed.proxies["a"].pending_s >= 0

    worker = await connect()
    await worker.hear()
    version = feed.proxies["a"].version
    worker.say(Applied(id="a", version=version, faults={"public": "in use"}))

    await until(lambda: feed.proxies["a"].faults)
    state = feed.proxies["a"]
    assert (1, 0.0, {"public": "in use"}) == (state.workers, state.pending_s, state.faults)
    feed.put(config("a", 2))
    assert feed.proxies["a"].pending_s > 0


async def test_what_workers_see_is_handed_on(feed: FeedServer, connect: Connect) -> None:
    seen: list[Report | Tapped] = []
    undo = feed.subscribe(lambda _worker, message: seen.append(message))
    worker = await connect()

    worker.say(Report(at_s=1.0))
    await until(lambda: seen)
    undo()
    worker.say(Report(at_s=2.0))
    worker.say(Applied(id="x", version=1))
    await until(lambda: feed.workers[0].applied)

    assert [Report(at_s=1.0)] == seen


async def test_taps_are_told_to_those_that_are_there_and_those_that_come(
    feed: FeedServer, connect: Connect
) -> None:
    first = await connect()
    await until(lambda: feed.workers)

    feed.tap(Tap(number=1))
    second = await connect()
    assert [Tap(number=1)] * 2 == [await first.hear(), await second.hear()]

    feed.tap(Tap(number=1, stop=True))
    assert [Tap(number=1, stop=True)] * 2 == [await first.hear(), await second.hear()]
    for number in range(64):
        feed.tap(Tap(number=number))
    with pytest.raises(ValueError, match="64"):
        feed.tap(Tap(number=99))


@pytest.mark.parametrize("noise", [b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xff"])
async def test_who_speaks_no_feed_is_hung_up_on(
    feed: FeedServer, connect: Connect, noise: bytes
) -> None:
    worker = await connect()
    worker.noise(noise)

    assert await worker.hear() is None
    await until(lambda: not feed.workers)


async def test_who_does_not_begin_with_hello_is_hung_up_on(
    feed: FeedServer, connect: Connect
) -> None:
    worker = await connect(Report(at_s=1.0))

    assert await worker.hear() is None
    assert () == feed.workers


async def test_a_worker_that_does_not_read_delays_no_other(
    feed: FeedServer, connect: Connect
) -> None:
    silent = await connect()
    await until(lambda: feed.workers)
    large = ProxyConfig(id="large", service="large", roots_pem=("x" * 4_000_000,))
    feed.put(large)
    other = await connect()

    assert "large" == (await other.configured())[0]
    feed.put(config("a"))
    assert ("a", 1) == await other.configured()
    await silent.close()


async def test_who_looks_after_workers_is_told_and_speaks_first(
    feed: FeedServer, connect: Connect
) -> None:
    class Events:
        def __init__(self) -> None:
            self.told: list[str] = []

        def met(self, worker: Worker) -> None:
            self.told.append("met")
            worker.say(Tap(number=9))

        def said(self, worker: Worker, message: object) -> None:
            self.told.append("said")

        def lost(self, worker: Worker) -> None:
            self.told.append("lost")

    events = Events()
    feed.events = events
    feed.put(config("a"))
    worker = await connect()

    assert Tap(number=9) == await worker.hear()
    assert ("a", 1) == await worker.configured()
    worker.say(Report(at_s=1.0))
    await worker.close()
    await until(lambda: "lost" in events.told)

    assert ["met", "said", "lost"] == events.told


async def test_versions_are_later_than_those_of_an_earlier_agent(
    feed: FeedServer, tmp_path: Path, tasks: Tasks
) -> None:
    feed.put(config("a"))
    await asyncio.sleep(0.002)
    later = FeedServer(tmp_path / "other.sock", tasks)
    later.put(config("a"))

    assert later.proxies["a"].version > feed.proxies["a"].version
