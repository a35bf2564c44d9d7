"""Running watches: started, kept, ended."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.membership.events import EventRing, UserEvent
from agent.rpc.request import ReadRequest, Reply
from agent.tasks import Tasks
from agent.watches.definition import Watch, watches_of
from agent.watches.views import View
from agent.watches.watches import Watches
from tests.agent.local.fakes import Half


class Router:
    """Answers each read once, then blocks; tells when a read blocks."""

    def __init__(self) -> None:
        self.blocked = asyncio.Event()
        self.asked: list[ReadRequest] = []

    async def call(self, request: ReadRequest) -> Reply:
        self.asked.append(request)
        if request.min_index:
            self.blocked.set()
            await asyncio.Event().wait()
        return Reply(value={"a": ()}, index=7)


class Stage:
    def __init__(self) -> None:
        self.router, self.ring, self.tasks = Router(), EventRing(), Tasks()
        self.watches = Watches(self.router, self.ring, self.tasks, Half())

    def running(self) -> list[str]:
        names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
        return sorted(name for name in names if name.startswith("watch "))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.tasks.close()


def append(path: Path, **fields) -> Watch:
    script = ["/bin/sh", "-c", f"cat >> {path}"]
    (watch,) = watches_of([{"type": "services", "args": script, **fields}])
    return watch


async def test_a_handler_runs_for_the_first_view_and_then_waits(stage, tmp_path):
    stage.watches.apply([append(tmp_path / "seen")])
    async with asyncio.timeout(10):
        await stage.router.blocked.wait()

    assert (tmp_path / "seen").read_text() == '{"a":[]}\n'
    assert [request.min_index for request in stage.router.asked] == [0, 7]


async def test_equal_watches_go_on_and_others_end_and_start(stage, tmp_path):
    kept, gone = append(tmp_path / "kept"), append(tmp_path / "gone", type="event")
    stage.watches.apply([kept, kept, gone])
    before = [task for _, task in stage.watches._running]

    new = append(tmp_path / "new", type="nodes")
    stage.watches.apply([new, append(tmp_path / "kept"), kept])
    await asyncio.sleep(0)

    assert [task for _, task in stage.watches._running][:2] == before[:2]
    assert stage.running() == ["watch nodes", "watch services", "watch services"]


async def test_nothing_runs_after_the_last_watch_is_gone(stage, tmp_path):
    stage.watches.apply([append(tmp_path / "a")])
    async with asyncio.timeout(10):
        await stage.router.blocked.wait()

    stage.watches.apply([])
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert stage.running() == []


async def test_an_event_runs_its_handler(stage, tmp_path, monkeypatch):
    handled: asyncio.Queue[bytes] = asyncio.Queue()

    async def keep(_handler: object, view: View) -> None:
        handled.put_nowait(view.body)

    monkeypatch.setattr("agent.watches.watches.run_handler", keep)
    stage.watches.apply([append(tmp_path / "a", type="event", name="x")])
    async with asyncio.timeout(10):
        first = await handled.get()
        stage.ring.receive(UserEvent(id="b54fe110-7af5-cafc-d1fb-afc8ba432b1c", name="x"))
        second = await handled.get()

    assert first == b"[]\n"
    assert b'"Name":"x"' in second
