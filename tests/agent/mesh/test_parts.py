"""The mesh of a whole agent, without its worker processes."""

from collections.abc import AsyncIterator

import pytest

from agent.local.state import LocalService
from agent.mesh import workers
from agent.mesh.settings import MANAGED_KEY
from tests.agent.harness import House, until
from tests.agent.mesh.world import sidecar, upstream

SIDECAR = "web-sidecar-proxy"


def no_process(*_arguments: object, **_options: object) -> None:
    raise OSError("no processes in this test")


@pytest.fixture
async def meshed(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(workers, "start_worker", no_process)
    await house.agent.server.authority.start("consul", {})
    house.agent.late_mesh.watch_for_proxies()
    yield house
    if house.agent.mesh is not None:
        await house.agent.mesh.close()


async def test_an_agent_without_proxies_has_no_mesh(meshed: House) -> None:
    assert meshed.agent.mesh is None


async def test_the_first_proxy_brings_the_mesh_and_is_told_to_workers(meshed: House) -> None:
    agent = meshed.agent

    agent.local_state.put_service(LocalService(service=sidecar("web", upstream("db"))))

    await until(lambda: agent.mesh is not None and SIDECAR in agent.mesh.feed.proxies)
    assert agent.mesh is not None
    config = agent.mesh.proxies.configs[SIDECAR]
    assert ["public_listener", "db:127.0.0.1:9191"] == [each.name for each in config.listeners]
    assert config.identities["web"].certificates_pem.startswith("-----BEGIN CERTIFICATE")


async def test_its_metrics_are_those_of_the_agent(meshed: House) -> None:
    agent = meshed.agent

    agent.local_state.put_service(LocalService(service=sidecar("web", upstream("db"))))

    await until(lambda: agent.mesh is not None and SIDECAR in agent.mesh.feed.proxies)
    shown = {each.metric.name: each for each in agent.metrics.collect()}
    assert 0 == shown["consul.mesh.proxy.workers"].gauge
    assert (SIDECAR,) == shown["consul.mesh.proxy.config_pending_s"].labels


async def test_a_proxy_that_is_left_to_others_can_still_be_followed(meshed: House) -> None:
    agent = meshed.agent

    agent.local_state.put_service(LocalService(service=sidecar("web", config={MANAGED_KEY: False})))

    await until(lambda: agent.mesh is not None and SIDECAR in agent.mesh.proxies.configs)
    assert agent.mesh is not None
    assert SIDECAR not in agent.mesh.feed.proxies
    followed: list[str] = []
    agent.mesh.claims.follow(SIDECAR, lambda config: followed.append(config.id))
    assert [SIDECAR] == followed


async def test_nothing_is_left_on_disk(meshed: House) -> None:
    agent = meshed.agent
    agent.local_state.put_service(LocalService(service=sidecar("web")))
    await until(lambda: agent.mesh is not None and SIDECAR in agent.mesh.feed.proxies)
    assert agent.mesh is not None
    directory = agent.mesh.feed.path.parent

    await agent.mesh.close()

    assert not directory.exists()
