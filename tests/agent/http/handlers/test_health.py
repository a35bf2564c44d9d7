"""/v1/health."""

import json

import pytest

from tests.agent.harness import House


@pytest.fixture
async def full(house: House) -> House:
    for number, status in enumerate(("passing", "warning", "critical")):
        body = {
            "Node": f"n{number}",
            "Address": "10.0.0.1",
            "Service": {"Service": "web"},
            "Check": {"Name": "c", "Status": status, "ServiceID": "web"},
        }
        await house.ask("PUT", "/v1/catalog/register", json.dumps(body).encode())
    return house


@pytest.mark.parametrize(
    ("query", "nodes"),
    [
        ("", ["n0", "n1", "n2"]),
        ("?passing", ["n0"]),
        ("?passing=true", ["n0"]),
        ("?passing=0", ["n0", "n1", "n2"]),
        ("?tag=none", []),
    ],
)
async def test_instances_are_shown_with_node_and_checks(full: House, query, nodes):
    found = (await full.ask("GET", f"/v1/health/service/web{query}")).json

    assert [row["Node"]["Node"] for row in found] == nodes
    assert all(set(row) == {"Node", "Service", "Checks"} for row in found)


async def test_a_bad_passing_is_refused_before_the_read_blocks(full: House):
    answered = await full.ask("GET", "/v1/health/service/web?passing=x&index=999999")

    assert (answered.status, answered.body) == (400, b"Invalid value for ?passing")


async def test_checks_are_found_by_node_service_and_state(full: House):
    of_node = (await full.ask("GET", "/v1/health/node/n1")).json
    of_service = (await full.ask("GET", "/v1/health/checks/web")).json
    critical = (await full.ask("GET", "/v1/health/state/critical")).json
    every = (await full.ask("GET", "/v1/health/state/any")).json

    assert [check["Status"] for check in of_node] == ["warning"]
    assert [check["Node"] for check in of_service] == ["n0", "n1", "n2"]
    assert [check["Node"] for check in critical] == ["n2"]
    assert {check["CheckID"] for check in every} == {"c", "serfHealth"}


@pytest.mark.parametrize("target", ["connect/web", "ingress/web", "service/none", "node/none"])
async def test_nothing_found_is_an_empty_list(full: House, target):
    assert (await full.ask("GET", f"/v1/health/{target}")).json == []


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("node/", b"Missing node name"),
        ("checks/", b"Missing service name"),
        ("state/", b"Missing check state"),
        ("service/", b"Missing service name"),
        ("connect/", b"Missing service name"),
        ("ingress/", b"Missing service name"),
    ],
)
async def test_a_name_is_required(house: House, target, text):
    answered = await house.ask("GET", f"/v1/health/{target}")

    assert (answered.status, answered.body) == (400, text)
