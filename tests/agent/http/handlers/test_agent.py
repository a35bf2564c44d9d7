"""/v1/agent, about the agent itself."""

import pytest

from tests.agent.harness import House


async def test_self_has_its_sections(house: House):
    shown = (await house.ask("GET", "/v1/agent/self")).json

    assert set(shown) >= {"Config", "DebugConfig", "Coord", "Member", "Stats", "Meta"}
    assert shown["Config"]["NodeName"] == "node-a"
    assert shown["Config"]["Version"] == "1.9.8"
    assert shown["Config"]["NodeID"] == house.agent.node_id


async def test_the_host_is_described(house: House):
    shown = (await house.ask("GET", "/v1/agent/host")).json

    assert shown["Memory"]["total"] > 0
    assert len(shown["CPU"]) > 0
    assert (shown["Host"]["os"], shown["Errors"]) == ("linux", None)


async def test_members_have_no_segments_between_datacenters(house: House):
    assert len((await house.ask("GET", "/v1/agent/members")).json) == 1
    refused = await house.ask("GET", "/v1/agent/members?wan=1&segment=x")

    assert (refused.status, refused.body) == (
        400,
        b"Cannot provide a segment with wan=true",
    )


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("join/10.0.0.1", 500),
        ("force-leave/none", 500),
        ("force-leave/node-a?wan", 500),  # there it is node-a.dc1
        ("token/default", 401),
    ],
)
async def test_what_cannot_be_done_is_refused(house: House, target, status):
    assert (await house.ask("PUT", f"/v1/agent/{target}")).status == status


async def test_metrics_for_prometheus_need_a_retention_time(house: House):
    assert "Gauges" in (await house.ask("GET", "/v1/agent/metrics")).json
    refused = await house.ask("GET", "/v1/agent/metrics?format=prometheus")

    assert refused.status == 415
    assert b"telemetry.prometheus_retention_time" in refused.body


async def test_an_unknown_level_of_the_log_is_refused(house: House):
    answered = await house.ask("GET", "/v1/agent/monitor?loglevel=loud")

    assert (answered.status, answered.body) == (400, b"Bad request: Unknown log level: loud")


async def test_the_version_is_told(house: House):
    assert "1.9.8" in (await house.ask("GET", "/v1/agent/version")).json["HumanVersion"]
