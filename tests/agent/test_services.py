"""What the agent says of itself."""

import pytest

from agent.membership.events import UserEvent
from agent.services import Services
from catalog.errors import CatalogError, Invalid
from tests.agent.harness import House, until


@pytest.fixture
def services(house: House) -> Services:
    return house.agent.services


async def test_members_are_named_by_datacenter_between_datacenters(services):
    (near,), (far,) = services.members(wide=False), services.members(wide=True)

    assert (near["Name"], far["Name"]) == ("node-a", "node-a.dc1")
    assert (near["Status"], near["Tags"]["role"]) == (1, "consul")
    assert services.member() == near


async def test_statistics_are_text_by_section(services):
    stats = services.stats()

    assert {type(value) for section in stats.values() for value in section.values()} == {str}
    assert stats["raft"]["state"] == "Leader"
    assert stats["consul"]["leader_addr"] == "127.0.0.1:8300"


async def test_a_node_without_coordinate_is_at_the_origin(services):
    assert set(services.coordinate().vec) == {0.0}


async def test_joining_is_refused_with_the_reason(services):
    with pytest.raises(CatalogError, match=r"Failed to join 10\.0\.0\.1"):
        await services.join("10.0.0.1", wide=False)


async def test_an_unknown_member_cannot_be_removed(services):
    with pytest.raises(CatalogError, match="No node found with name 'x'"):
        await services.force_leave("x", prune=False, wide=False)


async def test_members_of_the_wan_are_removed_by_their_full_name(services):
    with pytest.raises(CatalogError, match="No node found with name 'node-a'"):
        await services.force_leave("node-a", prune=False, wide=True)


async def test_an_event_that_concerns_this_agent_is_received_in_order(services):
    for number, node_filter in enumerate(("", "^other$", "^node")):
        event_id = f"00000000-0000-0000-0000-00000000000{number}"
        services.fire_event(UserEvent(id=event_id, name="e", node_filter=node_filter))

    await until(lambda: len(services.events.list("")) == 2)
    assert [event.id[-1] for event in services.events.list("")] == ["0", "2"]
    first, last = services.events.list("")
    assert first.l_time < last.l_time


async def test_a_bad_event_is_refused(services):
    with pytest.raises(Invalid):
        services.fire_event(UserEvent(id="", name="e", node_filter="("))


async def test_metrics_are_told_in_both_forms(services):
    assert "Gauges" in services.metrics_json()
    assert isinstance(services.metrics_prometheus(), bytes)


async def test_the_configuration_is_shown_without_secrets(services):
    assert services.debug_config()["Datacenter"] == "dc1"
