"""A server that is alone."""

import pytest

from agent.membership.events import UserEvent
from agent.rpc.endpoints.server_state import KeyringChange, KeyringVerb, ServerState
from catalog.errors import CatalogError, Invalid
from tests.agent.harness import House, until


@pytest.fixture
def state(house: House) -> ServerState:
    return house.agent.router.context.state


async def test_it_is_the_only_one_and_leads(house: House, state: ServerState):
    configuration = state.raft_configuration()
    (server,) = configuration.servers

    assert (server.node, server.leader, server.voter) == ("node-a", True, True)
    assert server.address == state.leader_address == "127.0.0.1:8300"
    assert server.id == house.agent.node_id
    assert configuration.index == 1


async def test_it_is_healthy_and_no_failure_is_tolerated(house: House, state: ServerState):
    health, shown = state.autopilot_health(), state.autopilot_state()

    assert (health.healthy, health.failure_tolerance) == (True, 0)
    assert (health.servers[0].last_index > 0, health.servers[0].last_term > 0) == (True, True)
    assert health.servers[0].stable_since.endswith("Z")
    assert (shown.leader, shown.voters) == (house.agent.node_id, (house.agent.node_id,))
    assert shown.servers[house.agent.node_id].status == "leader"


async def test_nobody_can_be_removed_or_made_leader(house: House, state: ServerState):
    with pytest.raises(CatalogError, match="the only voter cannot be removed"):
        await state.remove_peer(server_id=house.agent.node_id, address="")
    with pytest.raises(CatalogError, match='address "nowhere" was not found'):
        await state.remove_peer(server_id="", address="nowhere")
    with pytest.raises(CatalogError, match="cannot find peer to transfer leadership to"):
        await state.transfer_leadership("")


async def test_a_saved_state_can_be_restored(house: House, state: ServerState):
    await house.ask("PUT", "/v1/kv/k", b"old")
    archive, index = await state.save_snapshot()
    await house.ask("PUT", "/v1/kv/k", b"new")

    await state.restore_snapshot(archive)

    assert index > 0
    assert (await house.ask("GET", "/v1/kv/k?raw")).body == b"old"


async def test_a_bad_archive_is_refused_and_changes_nothing(house: House, state: ServerState):
    await house.ask("PUT", "/v1/kv/k", b"v")
    with pytest.raises(Invalid, match="Error restoring snapshot"):
        await state.restore_snapshot(b"no archive")

    assert (await house.ask("GET", "/v1/kv/k?raw")).body == b"v"


async def test_there_are_no_gossip_keys(state: ServerState):
    with pytest.raises(CatalogError, match="Keyring is empty"):
        await state.change_keyring(KeyringChange(verb=KeyringVerb.LIST))


async def test_events_reach_this_agent(house: House, state: ServerState):
    event = UserEvent(id="00000000-0000-0000-0000-000000000001", name="deploy")

    state.fire_event(event)

    await until(lambda: house.agent.services.events.list(""))
    assert [known.name for known in house.agent.services.events.list("")] == ["deploy"]


async def test_datacenters_and_their_servers_coordinates_are_told(state: ServerState):
    (shown,) = state.datacenter_maps()

    assert state.datacenters() == ("dc1",)
    assert (shown.datacenter, shown.area_id) == ("dc1", "wan")
    assert [row.node for row in shown.coordinates] == ["node-a"]
