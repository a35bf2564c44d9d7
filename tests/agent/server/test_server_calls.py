"""Questions from server to server, over real connections."""

import asyncio

import pytest

from agent.rpc.dial import Dialler
from agent.rpc.endpoints.kv import KvGet
from agent.rpc.endpoints.raft_stats import RaftStats, RaftStatsGet
from agent.rpc.endpoints.server_state import StatusPeers
from agent.rpc.pool import ServerAddress
from agent.server.server_calls import ServerCalls, Unanswered
from tests.agent.harness import within
from tests.agent.rpc.cluster import Cluster, hello, open_cluster

STATS = RaftStats(last_contact_ns=5, last_term=2, last_index=7)


class State:
    """What the asked server knows of itself."""

    def raft_stats(self) -> RaftStats:
        return STATS


@pytest.fixture
async def cluster():
    async with open_cluster() as opened:
        opened.router.context.state = State()
        yield opened


@pytest.fixture
async def calls(cluster: Cluster):
    made = ServerCalls(Dialler(hello(), 1.0))
    yield made
    made.close()


async def test_a_server_answers_of_itself(cluster: Cluster, calls: ServerCalls):
    assert STATS == await within(calls.ask(cluster.known.known[0], RaftStatsGet()))


async def test_one_connection_serves_all_questions(cluster: Cluster, calls: ServerCalls):
    server = cluster.known.known[0]

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(calls.ask(server, RaftStatsGet()))

    assert 1 == cluster.servers[0].connection_count


async def test_a_server_that_is_down_gives_no_answer(calls: ServerCalls):
    nobody = ServerAddress(id="b", name="srv-b", host="127.0.0.1", port=1)

    with pytest.raises(Unanswered):
        await within(calls.ask(nobody, RaftStatsGet()))


async def test_a_server_that_refuses_gives_no_answer(cluster: Cluster, calls: ServerCalls):
    with pytest.raises(Unanswered, match="No path to datacenter"):
        await within(calls.ask(cluster.known.known[0], KvGet(key="k", datacenter="dc9")))
    with pytest.raises(Unanswered, match="Internal error"):
        await within(calls.ask(cluster.known.known[0], StatusPeers()))


async def test_a_lost_connection_is_made_anew(cluster: Cluster, calls: ServerCalls):
    server = cluster.known.known[0]
    await within(calls.ask(server, RaftStatsGet()))

    calls.close()

    assert STATS == await within(calls.ask(server, RaftStatsGet()))
