"""Claims about a client agent's way to the servers."""

import pytest

from agent.rpc.endpoints.kv import KvGet
from agent.rpc.pool import NoServers
from agent.rpc.request import RpcError
from tests.agent.harness import make_agent, make_config


def client_config():
    return make_config("-dev=false", "-data-dir=/nonexistent", "-bind=127.0.0.1", "-server=false")


async def test_a_client_agent_has_no_store_and_asks_the_servers_it_knows():
    agent = make_agent(client_config())

    assert agent.server is None
    assert agent.router is agent.client.router
    with pytest.raises(RpcError, match=str(NoServers())):
        await agent.router.call(KvGet(key="k"))


async def test_new_limits_hold_from_the_next_call_on():
    agent = make_agent(client_config())
    before = agent.client.router.limits

    agent.client.apply(make_config("-max-query-time=20s"))

    assert agent.client.router.limits.max_query_time == 20_000_000_000
    assert before.max_query_time != 20_000_000_000
