"""A server's router: what it answers itself, what the leader does, and what nobody may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec
import pytest

from agent.rpc import wire
from agent.rpc.codec import encode_request
from agent.rpc.dial import Dialler
from agent.rpc.endpoints.kv import KvApply, KvGet
from agent.rpc.endpoints.server_state import StatusLeader
from agent.rpc.remote_router import NotLocal
from agent.rpc.request import Consistency, NoLeader, NoPathToDatacenter, Reply, Request
from catalog.commands import KvOperation, KvVerb, encode
from catalog.duration import SECOND
from catalog.errors import CatalogError
from raft import errors
from tests.agent.harness import until, within
from tests.agent.rpc.cluster import Cluster, blocking, hello, open_cluster, put

STALE = KvGet(key="a", consistency=Consistency.STALE)
CONSISTENT = KvGet(key="a", consistency=Consistency.CONSISTENT)


def set_key(key: str, value: bytes) -> bytes:
    """A command of the log."""
    return encode(KvOperation(verb=KvVerb.SET, key=key, value=value))


class Servers:
    """A leader and a follower; the follower's own state is empty unless it is given some."""

    def __init__(self, leader: Cluster, follower: Cluster) -> None:
        self.leader = leader
        self.follower = follower
        follower.hold_s = leader.hold_s = 0.5
        follower.log.leads = False
        follower.log.last_contact_s = 0.25
        self.tell_leader(leader)

    def tell_leader(self, leader: Cluster) -> None:
        """The follower hears who leads."""
        known = leader.known.known[0]
        self.follower.log.leader_address = f"{known.host}:{known.port}"
        self.follower.leader.set(known)

    def lose_leader(self) -> None:
        """The follower knows of no leader."""
        self.follower.log.leader_address = ""
        self.follower.leader.set()

    async def ask(self, request: Request) -> Reply:
        """Ask the follower."""
        return await within(self.follower.router.call(request))


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        leader, follower = [await stack.enter_async_context(open_cluster()) for _ in range(2)]
        yield Servers(leader, follower)


# Writes.


async def test_a_leader_writes_itself(servers: Servers):
    assert (await servers.leader.router.call(put("a"))).value is True
    assert servers.leader.log.proposed == 1


async def test_a_follower_asks_the_leader_to_write(servers: Servers):
    assert (await servers.ask(put("a"))).value is True
    assert (servers.leader.log.proposed, servers.follower.log.proposed) == (1, 0)


async def test_what_the_leader_refuses_is_told_as_its_refusal(servers: Servers):
    with pytest.raises(CatalogError, match="rpc error making call"):
        await servers.ask(KvApply(operation=KvOperation(verb=KvVerb.LOCK, key="a", session="s")))


async def test_a_write_waits_until_there_is_a_leader(servers: Servers):
    servers.lose_leader()
    write = asyncio.create_task(servers.ask(put("a")))
    await until(lambda: servers.follower.log.refused > 1)

    servers.tell_leader(servers.leader)

    assert (await write).value is True


async def test_a_write_that_waits_is_done_here_when_this_server_wins(servers: Servers):
    servers.lose_leader()
    write = asyncio.create_task(servers.ask(put("a")))
    await until(lambda: servers.follower.log.refused > 1)

    servers.follower.log.leads = True

    assert (await write).value is True
    assert servers.follower.log.proposed == 1


async def test_want_of_a_leader_is_told_after_the_hold_time(servers: Servers):
    servers.lose_leader()
    servers.follower.hold_s = 0.02

    with pytest.raises(NoLeader, match="No cluster leader"):
        await servers.ask(put("a"))


async def test_nothing_is_forwarded_twice(servers: Servers):
    """Two servers that take each other for the leader must not send a write back and forth."""
    servers.leader.log.leads = False
    servers.leader.leader.set(servers.follower.known.known[0])
    servers.follower.hold_s = 0.02

    with pytest.raises(NoLeader):
        await servers.ask(put("a"))
    assert (servers.leader.log.proposed, servers.follower.log.proposed) == (0, 0)


@pytest.mark.parametrize(
    "error",
    [errors.NotLeader("b", ""), errors.StaleTerm(), errors.Transferring(), errors.NoLeader()],
)
async def test_a_write_that_the_log_did_not_take_is_tried_again(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    log, submit = servers.leader.log, servers.leader.log.submit

    def refuse_once(_command, done):
        monkeypatch.setattr(log, "submit", submit)
        done(0, error)

    monkeypatch.setattr(log, "submit", refuse_once)

    assert (await servers.leader.router.call(put("a"))).value is True


async def test_a_write_whose_outcome_is_unknown_is_not_tried_again(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
):
    lost = errors.OutcomeUnknown()
    monkeypatch.setattr(servers.leader.log, "submit", lambda _command, done: done(0, lost))

    with pytest.raises(errors.OutcomeUnknown):
        await servers.leader.router.call(put("a"))


# Reads.


async def test_a_follower_reads_its_own_state_once_it_is_up_to_date(servers: Servers):
    servers.follower.machine.apply(7, set_key("a", b"own"))

    reply = await servers.ask(KvGet(key="a"))

    assert (reply.value.value, reply.index) == (b"own", 7)
    assert (reply.known_leader, reply.last_contact_ms) == (True, 0)
    assert servers.follower.log.rounds == 1


async def test_a_read_waits_until_there_is_a_leader(servers: Servers):
    servers.lose_leader()
    read = asyncio.create_task(servers.ask(KvGet(key="a")))
    await asyncio.sleep(0)

    servers.tell_leader(servers.leader)

    assert (await read).value is None


async def test_a_consistent_read_makes_sure_of_the_quorum(servers: Servers):
    await servers.leader.router.call(KvGet(key="a"))
    assert servers.leader.log.rounds == 0

    await servers.leader.router.call(CONSISTENT)

    assert servers.leader.log.rounds == 1


async def test_a_stale_read_needs_no_leader_and_tells_its_age(servers: Servers):
    servers.lose_leader()
    servers.follower.log.is_current = False
    servers.follower.machine.apply(7, set_key("a", b"old"))

    reply = await servers.ask(STALE)

    assert reply.value.value == b"old"
    assert (reply.known_leader, reply.last_contact_ms) == (False, 250)


async def test_a_stale_read_of_a_server_that_never_heard_a_leader_waits(servers: Servers):
    servers.lose_leader()
    servers.follower.log.last_contact_s = float("inf")
    servers.follower.hold_s = 0.02

    with pytest.raises(NoLeader):
        await servers.ask(STALE)


async def test_what_was_written_through_a_follower_is_read_there_even_by_stale_reads(
    servers: Servers,
):
    await servers.ask(put("a"))
    assert not servers.follower.router.sees_own_writes
    with pytest.raises(NotLocal):
        servers.follower.router.read_now(STALE)

    await servers.ask(STALE)
    assert servers.follower.log.rounds == 1, "it made sure of the index of now"

    servers.follower.log.index = servers.leader.log.index
    await servers.ask(STALE)
    assert servers.follower.router.sees_own_writes
    assert servers.follower.log.rounds == 1


async def test_a_stale_read_without_a_leader_does_not_wait_for_what_was_written(servers: Servers):
    await servers.ask(put("a"))
    assert not servers.follower.router.sees_own_writes
    servers.lose_leader()
    servers.follower.log.is_current = False

    assert (await servers.ask(STALE)).known_leader is False
    assert servers.follower.router.sees_own_writes


async def test_a_state_that_is_too_old_for_its_reader_is_brought_up_to_date(servers: Servers):
    request = KvGet(key="a", consistency=Consistency.STALE, max_stale_ns=SECOND // 10)

    reply = await servers.ask(request)

    assert reply.last_contact_ms == 0
    assert servers.follower.log.rounds == 1


async def test_a_blocking_read_waits_on_the_own_state(servers: Servers):
    servers.follower.machine.apply(7, set_key("a", b"old"))
    read = asyncio.create_task(servers.ask(blocking("a", 7)))
    await until(lambda: servers.follower.router.blocked_count == 1)

    servers.follower.machine.apply(8, set_key("a", b"new"))

    assert (await read).value.value == b"new"


async def test_what_any_server_knows_is_asked_of_nobody(servers: Servers):
    servers.lose_leader()
    servers.follower.context.state = type("State", (), {"leader_address": "here"})()

    assert (await servers.ask(StatusLeader())).value == "here"


# The fast lanes.


async def test_a_leader_reads_at_once_while_nobody_else_can_lead(servers: Servers):
    router, log = servers.leader.router, servers.leader.log

    assert router.is_newest
    assert router.read_now(KvGet(key="a"))[0].value is None
    with pytest.raises(NotLocal):
        router.read_now(CONSISTENT)

    log.is_current = False
    assert not router.is_newest
    with pytest.raises(NotLocal):
        router.read_now(KvGet(key="a"))


async def test_a_follower_reads_at_once_only_what_may_be_stale(servers: Servers):
    router = servers.follower.router

    assert router.read_now(STALE)[0].last_contact_ms == 250
    with pytest.raises(NotLocal):
        router.read_now(KvGet(key="a"))


async def test_a_follower_asks_the_leader_for_a_write_without_a_call(servers: Servers):
    written: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    servers.follower.router.submit(put("a"), written.set_result)

    assert await within(written) is True
    assert (servers.leader.log.proposed, servers.follower.log.proposed) == (1, 0)


async def soon(servers: Servers, request: KvGet) -> Reply | Exception:
    """The outcome of a fast read at the follower."""
    outcome: asyncio.Future[Reply | Exception] = asyncio.get_running_loop().create_future()
    servers.follower.router.read_soon(request, outcome.set_result)
    return await within(outcome)


async def test_fast_reads_of_a_follower_ask_the_leader_once_a_turn(servers: Servers):
    servers.follower.machine.apply(7, set_key("a", b"own"))

    outcomes = await asyncio.gather(*(soon(servers, KvGet(key="a")) for _ in range(20)))

    assert {outcome.value.value for outcome in outcomes} == {b"own"}
    assert servers.follower.log.rounds == 1


async def test_a_fast_read_waits_until_there_is_a_leader(servers: Servers):
    servers.lose_leader()
    read = asyncio.create_task(soon(servers, KvGet(key="a")))
    await asyncio.sleep(0)

    servers.tell_leader(servers.leader)

    assert (await read).value is None


async def test_a_fast_read_tells_of_the_want_of_a_leader(servers: Servers):
    servers.lose_leader()
    servers.follower.hold_s = 0.02

    assert isinstance(await soon(servers, KvGet(key="a")), NoLeader)


async def test_what_blocks_is_not_read_at_once(servers: Servers):
    with pytest.raises(NotLocal):
        servers.follower.router.read_soon(blocking("a", 7), print)


async def test_a_write_at_once_that_was_not_taken_is_written_later(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
):
    log, submit = servers.leader.log, servers.leader.log.submit
    written: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def refuse_once(_command, done):
        monkeypatch.setattr(log, "submit", submit)
        done(0, errors.Transferring())

    monkeypatch.setattr(log, "submit", refuse_once)
    servers.leader.router.submit(put("a"), written.set_result)

    assert await within(written) is True


async def test_a_server_that_asks_another_is_known_as_one(servers: Servers):
    connection = await Dialler(hello("s2", wire.Role.SERVER), 1.0)(servers.leader.known.known[0])
    connection.close("done")

    assert connection.peer == hello("server-1", wire.Role.SERVER)


# Other datacenters.


FAR = KvGet(key="a", datacenter="dc2")


async def test_a_request_for_another_datacenter_goes_there_as_it_came(servers: Servers):
    servers.follower.abroad.answers["dc2"] = Reply(value="far")

    assert (await servers.ask(FAR)).value == "far"
    assert [FAR] == servers.follower.abroad.asked
    with pytest.raises(NoPathToDatacenter):
        await servers.ask(KvGet(key="a", datacenter="dc3"))
    assert (await servers.ask(KvGet(key="a", datacenter="DC1"))).value is None


async def test_nothing_of_another_datacenter_is_answered_at_once(servers: Servers):
    router = servers.leader.router
    stale = KvGet(key="a", datacenter="dc2", consistency=Consistency.STALE)

    for request in (FAR, stale):
        with pytest.raises(NotLocal):
            router.read_now(request)
        with pytest.raises(NotLocal):
            router.read_soon(request, print)


async def test_a_server_of_another_datacenter_is_answered_like_a_client(servers: Servers):
    """It does not know who leads here, as a server of this datacenter does."""
    follower = servers.follower.known.known[0]
    name, body = encode_request(put("a"))
    fellow = hello("s9", wire.Role.SERVER)
    foreign = msgspec.structs.replace(fellow, datacenter="dc2")

    for greeting, expected in ((foreign, wire.Reply), (fellow, wire.Error)):
        connection = await Dialler(greeting, 1.0)(follower)
        assert isinstance(await within(connection.call(name, body)), expected)
        connection.close("done")
    assert (servers.leader.log.proposed, servers.follower.log.proposed) == (1, 0)
