"""Claims about the parts of a server."""

from catalog.tables import NODES
from tests.agent.harness import within


async def test_leading_again_registers_the_server_it_runs_on(house):
    store = house.agent.server.store
    index = store.last_index("nodes")

    await within(house.agent.server.duties.again())

    assert index == store.last_index("nodes")
    assert store.get(NODES, house.agent.config.node_name) is not None


def test_the_authority_is_there_exactly_when_connect_is_on(house):
    assert house.agent.config.connect.enabled == (house.agent.server.authority is not None)
