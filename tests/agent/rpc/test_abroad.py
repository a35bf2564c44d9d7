"""Asking other datacenters, whose servers are in memory."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import msgspec
import pytest

from agent.clock import monotonic_s
from agent.rpc import abroad as abroad_module
from agent.rpc import wire
from agent.rpc.abroad import Abroad, NoneReachable
from agent.rpc.codec import encode_reply
from agent.rpc.connection import AnsweringEnd, CallingEnd
from agent.rpc.endpoints.kv import KvGet
from agent.rpc.pool import ServerAddress, Servers
from agent.rpc.request import NoLeader, NoPathToDatacenter, Reply, RpcError
from agent.tasks import Tasks
from catalog.duration import MILLISECOND
from catalog.rows.kv import KeyValue
from tests.agent.harness import until, within
from tests.agent.rpc.cluster import CALL_LIMITS, address, hello, put
from tests.agent.rpc.memory import HANDSHAKE_S, join

READ = KvGet(key="a", datacenter="dc2")
NO_LEADER = wire.Error(0, "NoLeader", "No cluster leader")


class Server:
    """Answers every read with its name as the value, or says what it is told to say."""

    def __init__(self, name: str, datacenter: str) -> None:
        self.address = address(name, 8300)
        self.datacenter = datacenter
        self.error: wire.Error | None = None
        self.hangs = False
        self.loses = 0  # calls that end with the connection
        self.asked: list[str] = []
        self.ends: list[AnsweringEnd] = []

    def answer_now(self, request: wire.Request) -> wire.Reply | wire.Error | None:
        self.asked.append(request.name)
        if self.loses:
            self.loses -= 1
            for end in self.ends:
                end.close("killed")
        return None

    async def answer(self, request: wire.Request) -> wire.Reply | wire.Error:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            return msgspec.structs.replace(self.error, id=request.id)
        row = KeyValue(key="a", value=self.address.name.encode())
        value = row if request.name == "KVS.Get" else True
        return wire.Reply(request.id, encode_reply(Reply(value=value)))


class World:
    """Datacenters, and one server's way to them. Implements agent.rpc.abroad.Atlas."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self.known: dict[str, list[Server]] = {"dc1": [], "dc2": [], "dc3": []}
        self.down: set[str] = set()
        self.dials: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self.subscribers: list[Callable[[], None]] = []
        self.abroad = Abroad(
            "dc1",
            self,
            self.dial,
            tasks.start,
            CALL_LIMITS,
            rng=Random(3),
            now_s=monotonic_s,
            count=self.count,
        )

    def add(self, name: str, datacenter: str = "dc2") -> Server:
        server = Server(name, datacenter)
        self.known.setdefault(datacenter, []).append(server)
        return server

    async def get(self, datacenter: str = "dc2") -> str:
        """The name of the server that answered."""
        reply = await within(self.abroad.call(KvGet(key="a", datacenter=datacenter)))
        name: bytes = reply.value.value
        return name.decode()

    def forget(self, datacenter: str) -> None:
        self.known.pop(datacenter)
        self.tell()

    def mark_failed(self, server: Server) -> None:
        server.address = msgspec.structs.replace(server.address, healthy=False)
        self.tell()

    def tell(self) -> None:
        for changed in list(self.subscribers):
            changed()

    def count(self, name: str, n: int = 1, **labels: str) -> None:
        self.counted[f"{name} {labels['datacenter']}"] += n

    async def dial(self, server: ServerAddress) -> CallingEnd:
        self.dials[server.id] += 1
        if server.id in self.down:
            raise OSError("refused")
        found = next(
            each for all_ in self.known.values() for each in all_ if each.address == server
        )
        greeting = msgspec.structs.replace(
            hello(server.name, wire.Role.SERVER), datacenter=found.datacenter
        )
        calling = CallingEnd(hello(), HANDSHAKE_S)
        answering = AnsweringEnd(greeting, HANDSHAKE_S, found, self.tasks)
        found.ends.append(answering)
        join(calling, answering)
        await calling.greeted()
        return calling

    # The atlas.

    def datacenters(self) -> tuple[str, ...]:
        return tuple(self.known)

    def servers(self, datacenter: str) -> Sequence[ServerAddress]:
        return [server.address for server in self.known.get(datacenter, ())]

    def of(self, datacenter: str) -> Servers:
        return View(self, datacenter)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.subscribers.append(changed)
        return lambda: self.subscribers.remove(changed)


class View:
    """One datacenter's servers."""

    node_count = 3

    def __init__(self, world: World, datacenter: str) -> None:
        self._world = world
        self._datacenter = datacenter

    def servers(self) -> Sequence[ServerAddress]:
        return self._world.servers(self._datacenter)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        return self._world.subscribe(changed)


@pytest.fixture
async def world():
    tasks = Tasks()
    opened = World(tasks)
    opened.abroad.start()
    yield opened
    opened.abroad.close()
    assert opened.subscribers == []
    await tasks.close()


async def test_a_request_is_answered_by_its_datacenter_in_any_case_of_letters(world: World):
    world.add("far")
    world.add("farther", "dc3")

    assert "far" == await world.get()
    assert "far" == await world.get("DC2")
    assert "farther" == await world.get("dc3")
    assert {"far-id": 1, "farther-id": 1} == world.dials
    assert {"consul.rpc.cross-dc dc2": 2, "consul.rpc.cross-dc dc3": 1} == world.counted


def test_the_own_datacenter_is_not_abroad():
    abroad = World(Tasks()).abroad

    assert ("dc2", "dc3") == abroad.datacenters()
    assert abroad.is_for(READ)
    assert not abroad.is_for(KvGet(key="a"))
    assert not abroad.is_for(KvGet(key="a", datacenter="DC1"))


async def test_there_is_no_path_to_a_datacenter_that_nobody_knows(world: World):
    with pytest.raises(NoPathToDatacenter, match=r"^No path to datacenter$"):
        await world.get("nope")
    assert not world.dials


async def test_a_datacenter_whose_servers_take_no_connection_is_told_at_once(world: World):
    world.add("a"), world.add("b")
    world.down = {"a-id", "b-id"}

    with pytest.raises(NoneReachable, match=r"^Remote DC has no server currently reachable$"):
        await world.get()

    assert {"a-id": 1, "b-id": 1} == world.dials


async def test_a_datacenter_whose_servers_all_failed_is_not_even_dialled(world: World):
    world.mark_failed(world.add("a"))

    with pytest.raises(NoneReachable):
        await world.get()
    assert not world.dials


async def test_a_healthy_server_is_asked_first(world: World):
    world.mark_failed(world.add("a"))
    world.add("b")

    assert "b" == await world.get()
    assert {"b-id": 1} == world.dials


async def test_a_read_whose_server_dies_is_asked_of_the_next(world: World):
    servers = {name: world.add(name) for name in "ab"}
    first = await world.get()
    servers[first].loses = 1

    assert first != await world.get()


async def test_a_write_that_a_dying_server_may_have_taken_is_not_repeated(world: World):
    server = world.add("a")
    await world.get()
    server.loses = 1

    with pytest.raises(RpcError, match="the write's outcome is unknown"):
        await within(world.abroad.call(msgspec.structs.replace(put("a"), datacenter="dc2")))
    assert ["KVS.Get", "KVS.Apply"] == server.asked


async def test_a_server_that_is_back_is_asked_again(world: World):
    world.add("a")
    world.down = {"a-id"}
    with pytest.raises(NoneReachable):
        await world.get()

    world.down = set()

    assert "a" == await world.get()


async def test_a_server_without_a_leader_is_left_for_the_next(world: World):
    servers = {name: world.add(name) for name in "ab"}
    first = await world.get()
    servers[first].error = NO_LEADER

    assert first != await world.get()


async def test_a_datacenter_without_a_leader_is_told_after_the_hold_time(world: World):
    world.add("a").error = NO_LEADER
    world.abroad.limits = msgspec.structs.replace(CALL_LIMITS, hold_timeout=20 * MILLISECOND)

    with pytest.raises(NoLeader, match=r"^rpc error making call: No cluster leader$"):
        await world.get()


async def test_a_server_that_never_answers_is_given_up(world: World):
    world.add("a").hangs = True
    world.abroad.limits = msgspec.structs.replace(CALL_LIMITS, answer_timeout=20 * MILLISECOND)

    with pytest.raises(RpcError, match=r"^rpc error making call: no answer in time$"):
        await world.get()


async def test_a_server_of_another_datacenter_is_not_taken_for_one_of_this(world: World):
    world.add("a").datacenter = "dc3"

    with pytest.raises(NoneReachable):
        await world.get()


async def test_a_datacenter_that_vanishes_ends_its_connection(world: World):
    server = world.add("a")
    await world.get()
    assert 2 == len(world.subscribers)  # this and the pool

    world.forget("dc2")

    assert 1 == len(world.subscribers)
    await until(lambda: not server.ends[0].usable)
    with pytest.raises(NoPathToDatacenter):
        await world.get()


async def test_a_call_that_waits_for_a_connection_hears_that_the_datacenter_vanished(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    dialled = asyncio.Event()

    async def dial(_server: ServerAddress) -> CallingEnd:
        dialled.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(world.abroad, "_dial", dial)
    world.add("a")
    call = asyncio.create_task(world.get())
    await within(dialled.wait())

    world.forget("dc2")

    with pytest.raises(NoneReachable):
        await call


async def test_the_longest_unused_connection_makes_room(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(abroad_module, "POOLS_MAX", 1)
    world.add("a"), world.add("b", "dc3")
    await world.get()

    await world.get("dc3")
    await world.get()

    assert {"a-id": 2, "b-id": 1} == world.dials


async def test_connections_in_use_make_no_room(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(abroad_module, "POOLS_MAX", 1)
    busy = world.add("a")
    world.add("b", "dc3")
    busy.hangs = True
    call = asyncio.create_task(world.get())
    await until(lambda: bool(busy.asked))

    with pytest.raises(RpcError, match=r"^more than 1 datacenters are asked at once$"):
        await world.get("dc3")
    call.cancel()
