"""/v1/internal/ui."""

import json

import pytest

from tests.agent.harness import House


@pytest.fixture
async def full(house: House) -> House:
    for body in (
        {"Node": "n1", "Address": "a", "Service": {"Service": "web", "Tags": ["x"]}},
        {"Node": "n1", "Address": "a", "Check": {"Name": "c", "Status": "warning"}},
    ):
        await house.ask("PUT", "/v1/catalog/register", json.dumps(body).encode())
    return house


async def test_nodes_are_shown_with_all_that_is_on_them(full: House):
    nodes = (await full.ask("GET", "/v1/internal/ui/nodes")).json
    node = (await full.ask("GET", "/v1/internal/ui/node/n1")).json

    assert node in nodes
    assert [service["Service"] for service in node["Services"]] == ["web"]
    assert [check["Name"] for check in node["Checks"]] == ["c"]


async def test_services_are_summed_up(full: House):
    summaries = (await full.ask("GET", "/v1/internal/ui/services")).json

    web = next(summary for summary in summaries if summary["Name"] == "web")
    assert (web["Tags"], web["Nodes"], web["InstanceCount"]) == (["x"], ["n1"], 1)
    assert (web["ChecksPassing"], web["ChecksWarning"]) == (0, 1)
