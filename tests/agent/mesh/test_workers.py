"""The workers with real processes, under real connections."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.mesh import workers as workers_module
from agent.mesh.feed_server import FeedServer
from agent.mesh.worker_process import WorkerProcess, is_any_alive
from agent.mesh.workers import UpgradeError, Workers
from agent.tasks import Tasks
from proxy.messages import Report
from tests.proxy.fakes import until
from tests.proxy.worker_process import (
    Place,
    ask,
    connect,
    echo,
    relay,
    worker_process,
)
from tests.system.agent_process import free_ports

WAIT_S = 30.0  # for a process to start on two busy cores


class AgentPart:
    """The part of an agent that has to do with workers."""

    def __init__(self, directory: Path, *, outlives: bool = True, count: int = 1) -> None:
        self.tasks = Tasks()
        self.feed = FeedServer(directory / "mesh" / "feed.sock", self.tasks)
        self.workers = Workers(
            self.feed,
            tasks=self.tasks,
            rng=random.Random(1),
            count=count,
            outlives=outlives,
        )

    async def start(self) -> "AgentPart":
        await self.feed.start()
        self.workers.start()
        return self

    async def stop(self) -> None:
        await self.workers.close()
        await self.feed.close()
        await self.tasks.close()

    async def applied(self, *ids: str) -> None:
        """Wait until these proxies are served."""

        def is_applied() -> bool:
            states = [self.feed.proxies[id] for id in ids]
            return all(s.workers and not s.pending_s and not s.faults for s in states)

        await until(is_applied, WAIT_S)

    @property
    def process(self) -> int:
        (process,) = self.workers.processes
        return process


Start = Callable[..., AgentPart]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Start]:
    parts: list[AgentPart] = []

    def make_part(**options: bool) -> AgentPart:
        parts.append(AgentPart(tmp_path, **options))
        return parts[-1]

    yield make_part
    for part in parts:
        await part.workers.stop(0.0)
        await part.stop()


@pytest.fixture
async def backend() -> AsyncIterator[int]:
    async with echo() as port:
        yield port


class Load:
    """New connections one after the other as fast as they go, each with a question."""

    def __init__(self, listen: Place) -> None:
        self.answered = 0
        self.failures: list[BaseException] = []
        self._listen = listen
        self._is_ending = False
        self._tasks = [asyncio.get_running_loop().create_task(self._run()) for _ in range(4)]

    async def _run(self) -> None:
        while not self._is_ending:
            try:
                assert b"hello" == await ask(self._listen, b"hello")
                self.answered += 1
            except (OSError, AssertionError, asyncio.IncompleteReadError) as error:
                self.failures.append(error)
            await asyncio.sleep(0.001)

    async def more(self, count: int) -> None:
        """Wait until so many more were answered."""
        goal = self.answered + count
        await until(lambda: self.answered >= goal, WAIT_S)

    async def end(self) -> None:
        """Stop, once what is under way was answered."""
        self._is_ending = True
        await asyncio.wait(self._tasks)


async def test_no_worker_is_started_before_there_is_a_proxy(make: Start, tmp_path: Path) -> None:
    part = await make().start()

    assert () == part.workers.processes


async def test_the_first_proxy_starts_a_worker_that_serves_it(
    make: Start, backend: int, tmp_path: Path
) -> None:
    part = await make().start()
    part.feed.put(relay(tmp_path / "a.sock", backend))
    await part.applied("web")

    assert b"hello" == await ask(tmp_path / "a.sock", b"hello")

    part.feed.remove("web")
    await until(lambda: not (tmp_path / "a.sock").exists())


async def test_proxies_are_shared_out_among_workers(
    make: Start, backend: int, tmp_path: Path
) -> None:
    part = await make(count=2).start()
    names = [f"p{number}" for number in range(6)]
    for name in names:
        part.feed.put(relay(tmp_path / name, backend, name))
    await part.applied(*names)

    assert 2 == len(set(part.workers.processes))
    assert {1} == {state.workers for state in part.feed.proxies.values()}
    for name in names:
        assert b"x" == await ask(tmp_path / name, b"x")


async def test_a_worker_that_is_killed_is_replaced(
    make: Start, backend: int, tmp_path: Path
) -> None:
    part = await make().start()
    part.feed.put(relay(tmp_path / "a.sock", backend))
    await part.applied("web")
    killed = part.process

    os.kill(killed, signal.SIGKILL)
    await until(lambda: part.workers.processes not in ((), (killed,)), WAIT_S)
    await part.applied("web")

    assert b"hello" == await ask(tmp_path / "a.sock", b"hello")


async def test_a_worker_that_hangs_is_replaced_but_not_for_a_time_when_the_agent_slept(
    make: Start, backend: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "SILENCE_POLL_S", 0.05)
    part = await make().start()
    part.feed.put(relay(tmp_path / "a.sock", backend))
    await part.applied("web")
    hung = part.process
    now_s = workers_module.monotonic_s
    monkeypatch.setattr(workers_module, "monotonic_s", lambda: now_s() + 3600.0)
    await asyncio.sleep(0.3)  # some looks: what does not happen cannot be awaited
    assert hung == part.process
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr(workers_module, "SILENCE_MAX_S", 0.1)
    await until(lambda: part.process != hung if part.workers.processes else False, WAIT_S)
    monkeypatch.setattr(workers_module, "SILENCE_MAX_S", 30.0)


@pytest.mark.parametrize("is_unix", [True, False])
async def test_no_connection_fails_while_a_worker_is_replaced(
    make: Start, backend: int, tmp_path: Path, is_unix: bool
) -> None:
    listen: Place = tmp_path / "a.sock" if is_unix else free_ports(1)[0]
    part = await make().start()
    part.feed.put(relay(listen, backend))
    await part.applied("web")
    older = part.process
    reader, writer = await connect(listen)
    writer.write(b"a")
    await reader.readexactly(1)
    load = Load(listen)
    await load.more(50)

    await part.workers.upgrade()
    await load.more(50)

    assert part.process != older
    await part.applied("web")
    writer.write(b"b")
    assert b"b" == await reader.readexactly(1)
    leaving = WorkerProcess(older)
    writer.close()
    async with asyncio.timeout(WAIT_S):
        await leaving.exited.wait()
    await load.more(50)
    await load.end()
    assert [] == load.failures


async def test_a_new_worker_that_cannot_begin_leaves_the_older_one_in_place(
    make: Start, backend: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = await make().start()
    part.feed.put(relay(tmp_path / "a.sock", backend))
    await part.applied("web")
    older = part.process
    monkeypatch.setattr(workers_module, "VERSION", "--bad")

    with pytest.raises(UpgradeError, match="ended"):
        await part.workers.upgrade()

    assert older == part.process
    assert b"hello" == await ask(tmp_path / "a.sock", b"hello")


async def test_no_connection_fails_while_the_agent_is_restarted(
    make: Start, backend: int, tmp_path: Path
) -> None:
    listen = tmp_path / "a.sock"
    first = await make().start()
    first.feed.put(relay(listen, backend))
    await first.applied("web")
    process = first.process
    load = Load(listen)
    await load.more(20)

    await first.stop()
    await load.more(20)
    second = await make().start()
    second.feed.put(relay(listen, backend))
    await second.applied("web")
    await load.more(20)

    await load.end()
    assert [] == load.failures
    assert process == second.process


async def test_a_worker_of_another_version_is_replaced_when_it_comes_back(
    make: Start, backend: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = tmp_path / "a.sock"
    first = await make().start()
    first.feed.put(relay(listen, backend))
    await first.applied("web")
    process = first.process
    await first.stop()
    monkeypatch.setattr(workers_module, "VERSION", "0.0.9")

    second = await make().start()
    second.feed.put(relay(listen, backend))
    load = Load(listen)

    await until(lambda: second.workers.processes not in ((), (process,)), WAIT_S)
    await second.applied("web")
    await load.more(20)
    await load.end()
    assert [] == load.failures


async def test_a_worker_that_died_meanwhile_is_started_again(
    make: Start, backend: int, tmp_path: Path
) -> None:
    first = await make().start()
    first.feed.put(relay(tmp_path / "a.sock", backend))
    await first.applied("web")
    process = first.process
    watched = WorkerProcess(process)
    await first.stop()
    os.kill(process, signal.SIGKILL)
    async with asyncio.timeout(WAIT_S):
        await watched.exited.wait()

    second = await make().start()
    second.feed.put(relay(tmp_path / "a.sock", backend))
    await second.applied("web")

    assert b"hello" == await ask(tmp_path / "a.sock", b"hello")


async def test_workers_that_do_not_outlive_their_agent_end_with_it(
    make: Start, backend: int, tmp_path: Path
) -> None:
    part = await make(outlives=False).start()
    part.feed.put(relay(tmp_path / "a.sock", backend))
    await part.applied("web")

    await part.stop()

    assert not is_any_alive(tmp_path / "mesh" / "worker-0.lock")


async def test_they_end_also_when_the_agent_is_killed(
    make: Start, backend: int, tmp_path: Path
) -> None:
    part = await make(outlives=False).start()
    part.feed.put(relay(tmp_path / "a.sock", backend, drain_s=0.0))
    await part.applied("web")
    watched = WorkerProcess(part.process)

    await part.tasks.close()
    await part.feed.close()

    async with asyncio.timeout(WAIT_S):
        await watched.exited.wait()


async def test_what_is_open_may_end_before_workers_are_stopped(
    make: Start, backend: int, tmp_path: Path
) -> None:
    listen = tmp_path / "a.sock"
    part = await make().start()
    part.feed.put(relay(listen, backend))
    await part.applied("web")
    reader, writer = await asyncio.open_unix_connection(str(listen))
    writer.write(b"a")
    await reader.readexactly(1)

    stopping = asyncio.get_running_loop().create_task(part.workers.stop(10.0))
    await until(lambda: not listen.exists())
    writer.write(b"b")
    assert b"b" == await reader.readexactly(1)
    writer.close()

    await stopping
    assert not is_any_alive(tmp_path / "mesh" / "worker-0.lock")


async def test_with_fewer_workers_the_others_give_their_proxies_up(
    make: Start, backend: int, tmp_path: Path
) -> None:
    names = [f"p{number}" for number in range(6)]
    first = await make(count=2).start()
    for name in names:
        first.feed.put(relay(tmp_path / name, backend, name))
    await first.applied(*names)
    await first.stop()

    second = await make(count=1).start()
    for name in names:
        second.feed.put(relay(tmp_path / name, backend, name))
    await second.applied(*names)

    assert 1 == len(second.workers.processes)
    for name in names:
        assert b"x" == await ask(tmp_path / name, b"x")
    await until(lambda: len(second.feed.workers) == 1)


async def test_a_worker_that_a_user_starts_takes_its_proxy_and_gives_it_back(
    make: Start, backend: int, tmp_path: Path
) -> None:
    part = await make().start()
    part.feed.put(relay(tmp_path / "a.sock", backend))
    part.feed.put(relay(tmp_path / "b.sock", backend, "other"))
    await part.applied("web", "other")

    async with worker_process(part.feed.path, "--only", "web"):
        await until(lambda: len(part.feed.workers) == 2, WAIT_S)
        await part.applied("web", "other")
        own = next(w for w in part.feed.workers if w.process in part.workers.processes)
        await until(lambda: ["other"] == list(own.serving), WAIT_S)
        assert b"hello" == await ask(tmp_path / "a.sock", b"hello")

    await until(lambda: len(part.feed.workers) == 1, WAIT_S)
    await part.applied("web", "other")
    assert b"hello" == await ask(tmp_path / "a.sock", b"hello")


async def test_a_worker_reports_little_memory(make: Start, backend: int, tmp_path: Path) -> None:
    part = await make().start()
    reports: list[Report] = []
    part.feed.subscribe(lambda _, seen: reports.append(seen) if isinstance(seen, Report) else None)
    part.feed.put(relay(tmp_path / "a.sock", backend))
    await until(lambda: reports, WAIT_S)

    assert reports[0].resident_bytes < 60 * 1024 * 1024
