"""What a client agent answers ``?cached`` from, with a server that answers as told."""

import asyncio

import pytest

from agent.rpc import read_cache
from agent.rpc.endpoints.catalog import ListServices, ServiceNodes
from agent.rpc.endpoints.query import QueryExecute
from agent.rpc.read_cache import ReadCache
from agent.rpc.request import ReadRequest, Reply, RpcError
from agent.tasks import Tasks
from catalog.duration import MILLISECOND
from catalog.errors import BadRequest, PermissionDenied
from tests.agent.harness import within
from tests.agent.local.fakes import Clock, Half

WEB = ServiceNodes(service="web")
HIT = {"X-Cache": "HIT", "Age": "0"}
MISS = {"X-Cache": "MISS"}


class Server:
    """Answers with its index; blocks at the index that it has."""

    def __init__(self) -> None:
        self.index = 1
        self.error: Exception | None = None
        self.asked: list[ReadRequest] = []
        self._moved = asyncio.Event()

    async def call(self, request: ReadRequest) -> Reply:
        self.asked.append(request)
        while request.min_index == self.index and self.error is None:
            await self._moved.wait()
        if self.error is not None:
            raise self.error
        return Reply(value=f"value {self.index}", index=self.index)

    def move(self, *, error: Exception | None = None) -> None:
        """To the next index, or into an error."""
        self.index += error is None
        self.error = error
        self._moved.set()
        self._moved = asyncio.Event()


class Setting:
    """A cache, its server and its clock."""

    def __init__(self, tasks: Tasks) -> None:
        self.server = Server()
        self.clock = Clock()
        self.cache = ReadCache(
            self.server.call,
            start_task=tasks.start,
            rng=Half(),
            now_s=self.clock,
            default_wait_ns=lambda: 10 * MILLISECOND,
        )

    async def read(self, request: ReadRequest = WEB, control: str = "") -> tuple[str, dict]:
        reply, headers = await within(self.cache.read(request, control))
        return reply.value, headers

    async def lose_servers(self) -> None:
        self.server.move(error=RpcError("gone"))
        await settle()


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def setting():
    tasks = Tasks()
    yield Setting(tasks)
    await tasks.close()


async def test_the_first_answer_is_fetched_and_the_next_is_kept(setting: Setting):
    assert await setting.read() == ("value 1", MISS)
    await settle()
    asked = len(setting.server.asked)

    assert await setting.read() == ("value 1", HIT)
    assert len(setting.server.asked) == asked
    assert await setting.read(ListServices()) == ("value 1", MISS)


async def test_a_kept_answer_follows_the_servers(setting: Setting):
    await setting.read()
    await settle()

    setting.server.move()
    await settle()

    assert await setting.read() == ("value 2", HIT)


async def test_a_blocking_read_waits_for_the_kept_answer_to_change(setting: Setting):
    await setting.read()
    await settle()
    blocking = ServiceNodes(service="web", min_index=1, wait_ns=5000 * MILLISECOND)

    waiting = asyncio.ensure_future(setting.read(blocking))
    await settle()
    assert not waiting.done()
    setting.server.move()

    assert await waiting == ("value 2", HIT)


async def test_a_blocking_read_ends_after_its_wait(setting: Setting):
    await setting.read()
    await settle()

    assert await setting.read(ServiceNodes(service="web", min_index=1)) == ("value 1", HIT)


async def test_a_kept_answer_is_given_and_ages_while_no_server_answers(setting: Setting):
    await setting.read()
    await settle()
    await setting.lose_servers()
    setting.clock.now_s += 7.5

    assert await setting.read() == ("value 1", {"X-Cache": "HIT", "Age": "7"})
    assert await setting.read(control="max-age=8") == ("value 1", {"X-Cache": "HIT", "Age": "7"})
    for too_old in ("max-age=5", "must-revalidate", "max-age=5, stale-if-error=6"):
        with pytest.raises(RpcError, match="gone"):
            await setting.read(control=too_old)
    served = await setting.read(control="max-age=5, stale-if-error=30")
    assert served == ("value 1", {"X-Cache": "HIT", "Age": "7"})


async def test_what_must_be_fetched_is_a_miss_and_kept(setting: Setting):
    await setting.read()

    assert await setting.read(control="max-age=0") == ("value 1", MISS)
    assert len(setting.cache._entries) == 1


async def test_a_first_question_without_servers_fails_and_is_not_kept(setting: Setting):
    setting.server.move(error=RpcError("gone"))

    with pytest.raises(RpcError, match="gone"):
        await setting.read()

    assert not setting.cache._entries


async def test_a_question_that_is_refused_later_is_not_kept(setting: Setting):
    await setting.read()
    await settle()

    setting.server.move(error=PermissionDenied("no"))
    await settle()

    with pytest.raises(PermissionDenied):
        await setting.read()


async def test_what_cannot_be_followed_is_fetched_each_time(setting: Setting):
    for _ in range(2):
        assert await setting.read(QueryExecute(name_or_id="q")) == ("value 1", MISS)


async def test_the_least_recently_used_answer_goes_first(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(read_cache, "ENTRIES_MAX", 2)
    for name in ("a", "b", "a", "c"):
        await setting.read(ServiceNodes(service=name))

    assert await setting.read(ServiceNodes(service="a")) == ("value 1", HIT)
    assert await setting.read(ServiceNodes(service="b")) == ("value 1", MISS)


async def test_an_answer_that_nobody_wants_any_more_goes(setting: Setting):
    await setting.read()
    await settle()
    setting.clock.now_s += read_cache.ENTRY_IDLE_S + 1

    setting.server.move()
    await settle()

    assert not setting.cache._entries


async def test_a_bad_header_is_refused(setting: Setting):
    with pytest.raises(BadRequest, match="Invalid Cache-Control header"):
        await setting.read(control="max-age=x")
