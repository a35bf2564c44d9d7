"""Proxies of this node follow the config entries that govern them."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from agent.local.central_config import CentralConfig
from agent.local.state import LocalService, LocalState, content_hash
from agent.rpc.endpoints.service_config import ServiceConfigGet
from agent.rpc.request import Reply
from agent.tasks import Tasks
from catalog.queries.service_config import ServiceConfig
from catalog.rows.service import ConnectProxy, MeshGateway, NodeService
from tests.agent.local.fakes import Half


class Servers:
    """Answers each read as soon as there is something newer."""

    def __init__(self) -> None:
        self.index = 1
        self.config = ServiceConfig(proxy_config={"protocol": "http"})
        self.asked: list[ServiceConfigGet] = []
        self._changed = asyncio.Condition()

    async def call(self, request: ServiceConfigGet) -> Reply:
        self.asked.append(request)
        async with self._changed:
            await self._changed.wait_for(lambda: self.index > request.min_index)
        return Reply(value=self.config, index=self.index)

    async def set(self, config: ServiceConfig) -> None:
        self.config, self.index = config, self.index + 1
        async with self._changed:
            self._changed.notify_all()


class Stage:
    """The state, its follower and the servers."""

    def __init__(self) -> None:
        self.state = LocalState(rng=Half())
        self.servers = Servers()
        self.tasks = Tasks()
        self.central = CentralConfig(self.state, self.servers, self.tasks)

    def put(self, service: NodeService, token: str = "") -> None:
        self.state.put_service(LocalService(service=service, token=token))

    def protocol(self, service_id: str = "p") -> str | None:
        return (self.state.services[service_id].service.proxy.config or {}).get("protocol")

    async def until_protocol(self, wanted: str | None) -> None:
        changed = asyncio.Event()
        leave = self.state.subscribe(lambda _: changed.set())
        async with asyncio.timeout(5):
            while self.protocol() != wanted:
                changed.clear()
                await changed.wait()
        leave()


def sidecar(destination: str = "web", **fields) -> NodeService:
    proxy = ConnectProxy(
        destination_service_name=destination, destination_service_id="web-1", **fields
    )
    return NodeService(kind="connect-proxy", id="p", service="p", port=21000, proxy=proxy)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.tasks.close()


async def test_a_sidecar_gets_and_keeps_the_central_configuration(stage):
    stage.central.start()
    stage.put(sidecar())
    before = content_hash(stage.state.services["p"].service)

    await stage.until_protocol("http")
    stage.state.pending.services.clear()
    await stage.servers.set(ServiceConfig(proxy_config={"protocol": "grpc"}))
    await stage.until_protocol("grpc")

    assert stage.state.pending.services == {"p"}
    assert stage.state.services["p"].registration == sidecar()
    assert content_hash(stage.state.services["p"].service) != before


async def test_services_registered_before_the_start_are_followed(stage):
    stage.put(sidecar())
    stage.central.start()

    await stage.until_protocol("http")


async def test_a_new_registration_keeps_what_is_known_and_follows_its_own_subject(stage):
    stage.central.start()
    stage.put(sidecar())
    await stage.until_protocol("http")

    stage.put(sidecar("db", local_service_port=1))
    at_once = stage.protocol()
    await stage.servers.set(ServiceConfig())
    await stage.until_protocol(None)

    assert at_once == "http"
    assert stage.servers.asked[-1].subject.name == "db"
    assert len(stage.central._followed) == 1


async def test_an_equal_registration_changes_nothing(stage):
    stage.central.start()
    stage.put(sidecar())
    await stage.until_protocol("http")
    stage.state.pending.services.clear()
    asked = len(stage.servers.asked)

    stage.put(msgspec.structs.replace(sidecar()))
    await asyncio.sleep(0)

    assert (stage.state.pending.services, len(stage.servers.asked)) == (set(), asked)


async def test_the_follower_goes_with_its_service(stage):
    stage.central.start()
    stage.put(sidecar())
    await stage.until_protocol("http")

    stage.state.remove_service("p")
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert stage.central._followed == {}
    assert not [task for task in asyncio.all_tasks() if "central" in task.get_name()]


async def test_a_service_that_is_no_proxy_any_more_loses_the_configuration(stage):
    stage.central.start()
    stage.put(sidecar())
    await stage.until_protocol("http")

    typical = NodeService(id="p", service="p", port=1)
    stage.put(typical)

    assert stage.state.services["p"].service == typical
    assert stage.central._followed == {}


async def test_adopted_tags_survive_a_change_of_the_configuration(stage):
    stage.central.start()
    stage.put(sidecar())
    await stage.until_protocol("http")

    stage.state.adopt_tags("p", ("a",))
    await stage.servers.set(ServiceConfig(mesh_gateway=MeshGateway(mode="local")))
    await stage.until_protocol(None)

    assert stage.state.services["p"].service.tags == ("a",)
