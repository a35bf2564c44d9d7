"""/v1/internal/mesh/upgrade on a whole agent; real workers are in tests/system."""

import pytest

from agent.mesh.workers import UpgradeError, Workers
from tests.agent.harness import House, within

UPGRADE = "/v1/internal/mesh/upgrade"


async def test_agent_without_proxies_has_no_worker_to_replace(house: House) -> None:
    answer = await within(house.ask("PUT", UPGRADE))

    assert (200, {"Processes": []}) == (answer.status, answer.json)
    assert house.agent.mesh is None


async def test_a_worker_that_cannot_take_over_is_told_of(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_workers: Workers) -> None:
        raise UpgradeError("the new worker ended")

    monkeypatch.setattr(Workers, "upgrade", fail)
    assert 200 == (await within(house.ask("GET", "/v1/internal/mesh/feed"))).status

    answer = await within(house.ask("PUT", UPGRADE))

    assert house.agent.mesh is not None
    await house.agent.mesh.close()
    assert (500, b"the new worker ended") == (answer.status, answer.body)
