"""The agent out of its parts."""

from agent.compose import data_directory_of
from raft.storage import MemoryStorage
from tests.agent.harness import House, make_agent, make_config


async def test_a_dev_agent_keeps_nothing():
    agent = make_agent()

    assert isinstance(agent.server.driver._storage, MemoryStorage)
    assert data_directory_of(agent.config) is None


async def test_a_data_directory_is_used_when_one_is_named(tmp_path):
    assert data_directory_of(make_config(f"-data-dir={tmp_path}")).path == tmp_path


async def test_a_given_node_id_is_kept_in_lower_case():
    node_id = "5B5AC5D1-0B56-4A39-9F9C-6BB2B9D5A4D1"
    agent = make_agent(make_config(f"-node-id={node_id}"))

    assert agent.node_id == node_id.lower()
    assert agent.node().id == node_id.lower()


async def test_requests_are_measured_by_method_and_path(house: House):
    await house.ask("GET", "/v1/kv/a")

    samples = house.agent.services.metrics_json()["Samples"]
    labels = [sample["Labels"] for sample in samples if sample["Name"] == "consul.api.http"]
    assert {"method": "GET", "path": "v1_kv_"} in labels
