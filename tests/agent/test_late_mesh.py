"""A mesh that is started with the first need."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.late_mesh import MESH_DIRECTORY, PROXY_KINDS, LateMesh
from agent.local.state import LocalService
from agent.mesh import workers
from agent.mesh.explain import Asked
from agent.mesh.snapshot import KINDS
from catalog.errors import NotFound
from catalog.rows.service import NodeService
from tests.agent.harness import House, open_house, until
from tests.agent.mesh.world import sidecar


def no_process(*_arguments: object, **_options: object) -> None:
    raise OSError("no processes in this test")


@pytest.fixture(autouse=True)
async def without_processes(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(workers, "start_worker", no_process)
    yield
    if house.agent.mesh is not None:
        await house.agent.mesh.close()


def test_every_kind_that_can_be_told_anything_brings_a_mesh() -> None:
    assert KINDS == PROXY_KINDS


async def test_a_service_without_a_proxy_needs_none(house: House) -> None:
    house.agent.late_mesh.watch_for_proxies()

    house.agent.local_state.put_service(LocalService(service=NodeService(id="a", service="a")))
    await asyncio.sleep(0)

    assert house.agent.mesh is None


async def test_a_proxy_that_was_there_before_brings_it(house: House) -> None:
    house.agent.local_state.put_service(LocalService(service=sidecar("web")))

    house.agent.late_mesh.watch_for_proxies()

    await until(lambda: house.agent.mesh is not None)


async def test_a_server_without_an_authority_has_no_mesh() -> None:
    async with open_house("-hcl=connect { enabled = false }") as house:
        house.agent.late_mesh.watch_for_proxies()

        house.agent.local_state.put_service(LocalService(service=sidecar("web")))
        await asyncio.sleep(0)

        assert house.agent.mesh is None


async def test_workers_of_an_earlier_agent_bring_it(house: House, tmp_path: Path) -> None:
    directory = tmp_path / MESH_DIRECTORY
    directory.mkdir()
    late = LateMesh(house.agent, tmp_path)
    with (directory / "worker-0.lock").open("w") as lock:
        late.watch_for_proxies()
        assert not late.is_needed

        fcntl.flock(lock, fcntl.LOCK_SH)
        late.watch_for_proxies()

        assert late.is_needed
        await (await late.needed()).close()


async def test_all_who_come_for_it_at_once_get_the_same(house: House) -> None:
    late = house.agent.late_mesh

    first, second = await asyncio.gather(late.needed(), late.needed())

    assert first is second is house.agent.mesh
    assert str(first.feed.path) == await late.feed_path()


async def test_explaining_needs_no_mesh(house: House) -> None:
    with pytest.raises(NotFound):
        await house.agent.late_mesh.explain(Asked(source="a", destination="b"), "")

    assert house.agent.mesh is None
