"""A client agent's router against real servers on loopback."""

import asyncio
import socket

import msgspec
import pytest

from agent.rpc.connection import ConnectionLost
from agent.rpc.endpoints.catalog import CatalogRegister, ListNodes
from agent.rpc.endpoints.kv import KvGet, KvList
from agent.rpc.endpoints.query import QueryExecute
from agent.rpc.endpoints.session import SessionApply
from agent.rpc.endpoints.txn import TxnApply
from agent.rpc.peer_server import PeerServer
from agent.rpc.pool import NoServers
from agent.rpc.remote_router import CallLimits, NotLocal, RateExceeded
from agent.rpc.request import Consistency, NoLeader, NoPathToDatacenter, RpcError
from catalog.commands import KvOperation, KvVerb
from catalog.duration import MILLISECOND, SECOND
from catalog.errors import BadRequest, CatalogError, Invalid, NotFound
from catalog.rows.node import Node
from catalog.rows.session import Session
from catalog.transactions import TxnRefused
from tests.agent.harness import (
    make_config,
    until,
    within,
)
from tests.agent.rpc.cluster import (
    CALL_LIMITS,
    Cluster,
    address,
    blocking,
    open_cluster,
    put,
)


@pytest.fixture
async def cluster():
    async with open_cluster() as opened:
        yield opened


@pytest.fixture
async def pair():
    async with open_cluster(2) as opened:
        yield opened


def crash(server: PeerServer) -> None:
    """End a server as a killed process does: its sockets are gone at once."""
    for listener in server._doorway._listeners:
        listener.shutdown(socket.SHUT_RDWR)
    for connections in list(server._by_client.values()):
        for connection in list(connections):
            connection._transport.abort()


# Reads and writes.


async def test_a_write_and_a_read_are_answered_by_the_server(cluster: Cluster):
    written = await cluster.remote.call(put("a", b"\x00\xff"))
    reply = await cluster.remote.call(KvGet(key="a"))

    assert written.value is True
    assert reply.value.value == b"\x00\xff"
    assert (reply.index, reply.known_leader, reply.last_contact_ms) == (1, True, 0)


async def test_rows_come_back_as_the_same_values(cluster: Cluster):
    node = Node(node="n1", address="10.0.0.1", meta={"rack": "1"}, datacenter="dc1")
    await cluster.remote.call(CatalogRegister(node=node))

    remote = await cluster.remote.call(ListNodes(filter='Meta.rack == "1"'))
    local = await cluster.router.call(ListNodes())

    assert local.value == remote.value
    assert [Node] == [type(row) for row in remote.value]


async def test_a_blocking_read_is_woken_by_a_write(cluster: Cluster):
    await cluster.put("a")
    read = asyncio.create_task(cluster.remote.call(blocking("a", 1)))
    await until(lambda: cluster.router.blocked_count == 1)
    assert cluster.remote.blocked_count == 1

    await cluster.put("a", b"new")

    assert (await within(read)).value.value == b"new"
    assert cluster.remote.blocked_count == 0


async def test_a_blocking_read_ends_with_its_wait(cluster: Cluster):
    await cluster.put("a")

    reply = await within(cluster.remote.call(blocking("a", 1, 10 * MILLISECOND)))

    assert reply.index == 1


async def test_a_caller_that_goes_away_frees_the_server(cluster: Cluster):
    await cluster.put("a")
    read = asyncio.create_task(cluster.remote.call(blocking("a", 1)))
    await until(lambda: cluster.router.blocked_count == 1)

    read.cancel()

    await until(lambda: cluster.router.blocked_count == 0)
    await until(lambda: cluster.servers[0].running_count == 0)
    assert await cluster.put("a")


async def test_a_client_agent_that_goes_away_frees_the_server(cluster: Cluster):
    await cluster.put("a")
    read = asyncio.create_task(cluster.remote.call(blocking("a", 1)))
    await until(lambda: cluster.router.blocked_count == 1)

    cluster.known.set()
    cluster.pool.close()
    connections = next(iter(cluster.servers[0]._by_client.values()))
    next(iter(connections))._transport.abort()

    await until(lambda: cluster.router.blocked_count == 0)
    with pytest.raises(RpcError, match="No known Consul servers"):
        await within(read)


async def test_a_thousand_blocking_reads_share_one_connection(cluster: Cluster):
    await cluster.put("a")
    reads = [asyncio.create_task(cluster.remote.call(blocking("a", 1))) for _ in range(1000)]
    await until(lambda: cluster.router.blocked_count == 1000)
    assert cluster.servers[0].connection_count == 1
    assert (await cluster.remote.call(KvGet(key="b"))).value is None

    await cluster.put("a", b"new")

    replies = await within(asyncio.gather(*reads))
    assert {b"new"} == {reply.value.value for reply in replies}
    await until(lambda: cluster.servers[0].running_count == 0)


async def test_an_answer_larger_than_a_frame_comes_in_parts(cluster: Cluster):
    value = bytes(512 * 1024)
    for number in range(40):
        await cluster.put(f"big/{number:02}", value)

    reply = await within(cluster.remote.call(KvList(prefix="big/")))

    assert [value] * 40 == [pair.value for pair in reply.value]


async def test_consistent_reads_pass_the_barrier_and_stale_ones_do_not(cluster: Cluster):
    await cluster.remote.call(KvGet(key="a", consistency=Consistency.STALE))
    await cluster.remote.call(KvGet(key="a"))
    assert cluster.log.rounds == 0

    await cluster.remote.call(KvGet(key="a", consistency=Consistency.CONSISTENT))

    assert cluster.log.rounds == 1


# Refusals.


async def test_a_refusal_is_raised_as_the_same_class_with_the_relays_prefix(cluster: Cluster):
    with pytest.raises(NotFound) as not_found:
        await cluster.remote.call(QueryExecute(name_or_id="nope"))
    with pytest.raises(NoPathToDatacenter) as no_path:
        await cluster.remote.call(KvGet(key="a", datacenter="dc9"))

    assert str(not_found.value) == "rpc error making call: Query not found"
    assert str(no_path.value) == "rpc error making call: No path to datacenter"


async def test_a_bad_request_is_told_as_if_this_agent_had_found_it(cluster: Cluster):
    with pytest.raises(BadRequest) as refused:
        await cluster.remote.call(SessionApply(session=Session(id="", node="")))

    assert str(refused.value) == "Must provide Node"


async def test_a_bad_filter_has_both_prefixes_in_consuls_order(cluster: Cluster):
    with pytest.raises(CatalogError) as refused:
        await cluster.remote.call(ListNodes(filter="Nope == 1"))

    assert str(refused.value).startswith(
        "rpc error making call: Failed to create boolean expression evaluator: "
    )


async def test_a_refused_transaction_says_which_operation_failed(cluster: Cluster):
    operation = KvOperation(verb=KvVerb.CAS, key="a", index=9)

    with pytest.raises(TxnRefused) as refused:
        await cluster.remote.call(TxnApply(operations=(operation,)))

    assert [error.op_index for error in refused.value.errors] == [0]


async def test_a_bug_of_the_server_tells_nothing_of_it(cluster: Cluster, monkeypatch):
    async def broken(_request):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(cluster.router, "call", broken)

    with pytest.raises(RpcError) as failed:
        await cluster.remote.call(put("a"))

    assert str(failed.value) == "rpc error making call: Internal error"


async def test_nothing_is_local_on_a_client_agent(cluster: Cluster):
    with pytest.raises(NotLocal):
        cluster.remote.read_now(KvGet(key="a"))
    with pytest.raises(NotLocal):
        cluster.remote.submit(put("a"), lambda _result: None)
    cluster.remote.watch([], lambda: None)
    cluster.remote.unwatch([], lambda: None)


# Failures.


async def test_without_servers_the_error_comes_at_once(cluster: Cluster):
    cluster.known.set()

    with pytest.raises(NoServers, match=r"^No known Consul servers$"):
        await within(cluster.remote.call(KvGet(key="a")))


async def test_a_read_whose_server_dies_is_answered_by_another(pair: Cluster):
    await pair.put("a")
    read = asyncio.create_task(pair.remote.call(blocking("a", 1)))
    await until(lambda: pair.router.blocked_count == 1)

    crash(pair.asked_server())
    await until(lambda: pair.router.blocked_count == 0)
    await until(lambda: pair.router.blocked_count == 1)
    await pair.put("a", b"new")

    assert (await within(read)).value.value == b"new"


async def test_a_write_whose_server_dies_is_not_repeated(pair: Cluster):
    await pair.put("a")
    pair.log.held = True
    write = asyncio.create_task(pair.remote.call(put("a", b"new")))
    await until(lambda: pair.log.proposed == 2)

    crash(pair.asked_server())

    with pytest.raises(RpcError, match="the write's outcome is unknown"):
        await within(write)
    assert pair.log.proposed == 2


async def test_a_write_that_was_not_sent_goes_to_another_server(pair: Cluster):
    await pair.put("a")
    crash(pair.asked_server())
    await until(lambda: pair.pool.asked is None)

    assert await within(pair.put("a", b"new"))


async def test_no_leader_is_tried_again_until_there_is_one(pair: Cluster):
    pair.log.leads = False
    write = asyncio.create_task(pair.remote.call(put("a")))
    await until(lambda: pair.log.refused > 1)

    pair.log.leads = True

    assert (await within(write)).value is True


async def test_a_server_that_lacks_a_leader_for_long_is_left(pair: Cluster):
    await pair.put("a")
    first = pair.asked_server()
    pair.log.leads = False

    write = asyncio.create_task(pair.remote.call(put("a")))
    await until(lambda: pair.pool.asked and pair.asked_server() is not first)
    pair.log.leads = True

    assert (await within(write)).value is True


async def test_no_leader_is_told_after_the_hold_time(cluster: Cluster):
    cluster.log.leads = False
    cluster.remote.limits = msgspec.structs.replace(CALL_LIMITS, hold_timeout=50 * MILLISECOND)

    with pytest.raises(NoLeader) as refused:
        await within(cluster.remote.call(put("a")))

    assert str(refused.value) == "rpc error making call: No cluster leader"


async def test_servers_that_cannot_be_reached_are_named_after_the_hold_time(cluster: Cluster):
    cluster.remote.limits = msgspec.structs.replace(CALL_LIMITS, hold_timeout=50 * MILLISECOND)
    cluster.known.set(address("gone", 1))

    with pytest.raises(RpcError, match=r"rpc error making call: failed to get conn: 127.0.0.1:1"):
        await within(cluster.remote.call(put("a")))


async def test_a_write_without_an_answer_in_time_has_an_unknown_outcome(cluster: Cluster):
    cluster.log.held = True
    cluster.remote.limits = msgspec.structs.replace(CALL_LIMITS, answer_timeout=20 * MILLISECOND)

    with pytest.raises(RpcError, match="no answer in time; the write's outcome is unknown"):
        await within(cluster.remote.call(put("a")))
    await until(lambda: cluster.servers[0].running_count == 0)


async def test_a_connection_that_is_lost_before_sending_repeats_any_request(cluster: Cluster):
    await cluster.put("a")
    connection = await cluster.pool.connection()
    connection._end("test")

    with pytest.raises(ConnectionLost) as lost:
        await connection.call("KVS.Apply", b"")
    assert lost.value.sent is False
    assert await cluster.put("b")


def test_limits_come_from_the_configuration():
    limits = CallLimits.of(make_config("-hcl", "limits { rpc_rate = 5 rpc_max_burst = 9 }"))

    assert (limits.rate, limits.burst) == (5.0, 9)
    assert (limits.default_query_time, limits.max_query_time) == (300 * SECOND, 600 * SECOND)
    assert (limits.hold_timeout, limits.answer_timeout) == (7 * SECOND, 60 * SECOND)


# Rates.


async def test_calls_beyond_the_rate_are_refused(cluster: Cluster):
    cluster.remote.limits = msgspec.structs.replace(CALL_LIMITS, rate=0.001, burst=2)
    await cluster.remote.call(KvGet(key="a"))
    await cluster.remote.call(KvGet(key="a"))

    with pytest.raises(RateExceeded, match=r"^RPC rate limit exceeded$"):
        await cluster.remote.call(KvGet(key="a"))


async def test_an_invalid_request_keeps_its_class(cluster: Cluster):
    lock = KvOperation(verb=KvVerb.LOCK, key="a", session="x")

    with pytest.raises(Invalid):
        await cluster.remote.call(put("a").__class__(operation=lock))


async def test_calls_are_counted_at_both_ends(cluster: Cluster):
    await cluster.remote.call(KvGet(key="a"))
    await cluster.put("a")
    with pytest.raises(NotFound):
        await cluster.remote.call(QueryExecute(name_or_id="nope"))
    cluster.remote.limits = msgspec.structs.replace(CALL_LIMITS, rate=0.0, burst=0)
    with pytest.raises(RateExceeded):
        await cluster.remote.call(KvGet(key="a"))

    assert cluster.counted == {
        "consul.client.rpc": 4,
        "consul.client.rpc.exceeded": 1,
        "consul.rpc.accept_conn": 1,
        "consul.rpc.request": 3,
        "consul.rpc.query": 1,
        "consul.rpc.request_error": 1,
    }


async def test_a_lost_connection_is_counted_as_a_failure(pair: Cluster):
    await pair.put("a")
    read = asyncio.create_task(pair.remote.call(blocking("a", 1)))
    await until(lambda: pair.router.blocked_count == 1)

    crash(pair.asked_server())

    await until(lambda: pair.counted["consul.client.rpc.failed"] == 1)
    read.cancel()
