"""What a server gives to its endpoints."""

import pytest

from agent.rpc.server import Done
from tests.agent.harness import House


def test_an_outcome_without_a_command_is_a_value():
    assert Done(False) == Done(False)
    with pytest.raises(AttributeError):
        Done(1).value = 2


async def test_the_context_stamps_what_the_edge_knows(house: House):
    context = house.agent.router.context

    assert (context.datacenter, context.node_name) == ("dc1", "node-a")
    assert context.new_uuid() != context.new_uuid()
    assert context.now_s() > 1_600_000_000
    assert context.session_ttl_min_ns == 10_000_000_000
    assert context.store is house.agent.server.store
