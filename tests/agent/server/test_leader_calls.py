"""A server's way to the leader, over a real connection."""

from types import SimpleNamespace

import pytest

from agent.rpc import wire
from agent.rpc.dial import Dialler
from agent.rpc.endpoints.kv import KvGet
from agent.rpc.pool import Unreachable
from agent.rpc.request import NoLeader
from agent.server.leader_calls import LeaderCalls
from agent.server.server_calls import ServerCalls
from tests.agent.harness import within
from tests.agent.rpc.cluster import Cluster, hello, open_cluster, put


@pytest.fixture
async def leader():
    async with open_cluster() as opened:
        yield opened


@pytest.fixture
def known(leader: Cluster) -> SimpleNamespace:
    """What this server believes of the leadership."""
    place = leader.known.known[0]
    return SimpleNamespace(leader_id=place.id, leader_address=f"{place.host}:{place.port}")


@pytest.fixture
async def calls(known):
    made = ServerCalls(Dialler(hello(role=wire.Role.SERVER), 1.0))
    yield LeaderCalls(known, made)
    made.close()


async def test_the_leader_is_asked_over_one_connection(calls: LeaderCalls, leader: Cluster):
    assert (await within(calls.ask(put("a")))).value is True
    assert (await within(calls.ask(KvGet(key="a")))).value.value == b"x"
    assert leader.servers[0].connection_count == 1


async def test_without_a_leader_nobody_is_asked(calls: LeaderCalls, known):
    known.leader_address = ""

    with pytest.raises(NoLeader):
        await calls.ask(put("a"))


async def test_a_leader_that_cannot_be_reached_is_told_from_one_that_refuses(
    calls: LeaderCalls, known
):
    known.leader_address = "127.0.0.1:1"

    with pytest.raises(Unreachable, match=r"failed to get conn: 127\.0\.0\.1:1"):
        await within(calls.ask(put("a")))
