"""What proxies are told, and when."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from agent.checks.definition import CheckType
from agent.clock import monotonic_s
from agent.local.state import LocalCheck, LocalService, LocalState
from agent.mesh.exposed_checks import ExposedChecks
from agent.mesh.proxies import Proxies
from agent.mesh.settings import MANAGED_KEY
from agent.mesh.watch import Watch
from agent.mesh.watch_questions import Chain, Instances, Leaf, Question
from agent.rpc.request import Reply
from agent.tasks import Tasks
from catalog.rows.check import CRITICAL, HealthCheck
from catalog.rows.service import Expose, NodeService
from proxy.api import ProxyConfig
from tests.agent.mesh.fake_feed import FakeFeed
from tests.agent.mesh.world import PLACE, World, instance, leaf, sidecar, upstream

DB = Instances("db", "dc1")


class NoJitter:
    def random(self) -> float:
        return 0.0


class LiveWorld(World):
    """A world whose answers change: a read blocks until its answer does."""

    def __init__(self) -> None:
        super().__init__()
        self._index = 1
        self._changed = asyncio.Event()
        self.silent: set[type] = set()

    def change(self) -> None:
        self._index += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def ask(self, question: Question[Any], _token: str, index: int) -> Reply:
        while index >= self._index or type(question) in self.silent:
            await self._changed.wait()
        return Reply(value=self.answers().ask(question), index=self._index)


class Bench:
    """Proxies over a world that changes."""

    def __init__(self, tasks: Tasks) -> None:
        self.world = LiveWorld()
        self.world.has("db", instance("db"))
        self.state = LocalState(rng=NoJitter())
        self.feed = FakeFeed()
        self.proxies = Proxies(
            self.state,
            self.feed,
            lambda: PLACE,
            ExposedChecks(self.state, lambda: range(21500, 21501)),
            start_task=tasks.start,
            now_s=monotonic_s,
        )
        self.watch = Watch(
            self.world,
            start_task=tasks.start,
            rng=NoJitter(),
            now_s=monotonic_s,
            changed=self.proxies.changed,
        )

    def register(self, service: NodeService) -> None:
        self.state.put_service(LocalService(service=service))

    async def next_config(self) -> ProxyConfig:
        found = await self.feed.next()
        assert isinstance(found, ProxyConfig)
        return found

    async def settle(self) -> None:
        """Long enough for a build, were there one."""
        await asyncio.sleep(0.05)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    tasks = Tasks()
    made = Bench(tasks)
    made.proxies.start(made.watch)
    yield made
    await tasks.close()


WEB = sidecar("web", upstream("db"))


async def test_a_registered_sidecar_is_told_all_at_once(bench: Bench) -> None:
    bench.register(WEB)

    config = await bench.next_config()

    assert ["public_listener", "db:127.0.0.1:9191"] == [each.name for each in config.listeners]
    assert config.clusters["db.default.dc1"].groups[0].endpoints
    assert {"web-sidecar-proxy": config} == bench.proxies.configs


async def test_other_services_are_none_of_its_business(bench: Bench) -> None:
    bench.register(NodeService(id="web", service="web"))

    await bench.settle()

    assert [] == bench.feed.configs
    assert 0 == len(bench.watch)


async def test_an_instance_that_fails_is_told_within_200_ms(bench: Bench) -> None:
    bench.register(WEB)
    await bench.next_config()
    begun_s = monotonic_s()

    bench.world.has("db", instance("db", status=CRITICAL)).change()

    config = await bench.next_config()
    assert () == config.clusters["db.default.dc1"].groups[0].endpoints
    assert monotonic_s() - begun_s < 0.2


async def test_a_burst_of_changes_is_told_once(bench: Bench) -> None:
    bench.register(WEB)
    await bench.next_config()

    for number in range(20):
        bench.world.has("db", instance("db", address=f"10.0.0.{number}")).change()
        await asyncio.sleep(0)

    config = await bench.next_config()
    await bench.settle()
    assert "10.0.0.19" == config.clusters["db.default.dc1"].groups[0].endpoints[0].address
    assert 2 == len(bench.feed.configs)


async def test_what_changes_nothing_is_not_told(bench: Bench) -> None:
    bench.register(WEB)
    await bench.next_config()

    bench.world.has("other", instance("other")).change()
    await bench.settle()

    assert 1 == len(bench.feed.configs)


async def test_a_renewed_leaf_is_told(bench: Bench) -> None:
    bench.register(WEB)
    await bench.next_config()

    bench.world.knows(Leaf("web"), leaf("web", serial="99")).change()

    assert "99" == (await bench.next_config()).identities["web"].serial


async def test_without_a_leaf_nothing_is_told_and_then_everything(bench: Bench) -> None:
    bench.world.lacks(Leaf)
    bench.register(WEB)
    await bench.settle()
    assert [] == bench.feed.configs

    bench.world.unknown.clear()
    bench.world.change()

    assert "web-sidecar-proxy" == (await bench.next_config()).id


async def test_a_chain_that_does_not_come_holds_up_the_rest_only_a_little(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.mesh.watch.PATIENCE_S", 0.05)
    bench.world.silent.add(Chain)

    bench.register(WEB)

    config = await bench.next_config()
    assert ["public_listener"] == [each.name for each in config.listeners]


async def test_a_new_target_is_told_together_with_its_instances(bench: Bench) -> None:
    bench.register(WEB)
    await bench.next_config()
    bench.world.has("cache", instance("cache"))

    bench.register(sidecar("web", upstream("db"), upstream("cache", 9192)))

    config = await bench.next_config()
    assert config.clusters["cache.default.dc1"].groups[0].endpoints


async def test_a_deregistered_proxy_is_removed_with_all_that_it_followed(bench: Bench) -> None:
    bench.register(WEB)
    await bench.next_config()

    bench.state.remove_service("web-sidecar-proxy")

    assert "web-sidecar-proxy" == await bench.feed.next()
    assert 0 == len(bench.watch)
    assert {} == bench.proxies.configs


async def test_a_registration_that_changes_hands_is_told_again(bench: Bench) -> None:
    bench.register(WEB)
    first = await bench.next_config()

    config = {**(WEB.proxy.config or {}), MANAGED_KEY: False}
    bench.register(replace(WEB, proxy=replace(WEB.proxy, config=config)))

    assert first == replace(await bench.next_config(), index=first.index)


async def test_changed_settings_are_told_to_all(bench: Bench) -> None:
    bench.register(WEB)
    first = await bench.next_config()

    bench.proxies.tell_again()

    assert first == await bench.next_config()


async def test_one_proxys_fault_does_not_stop_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.mesh import proxies

    real = proxies.build

    def build(subject: Any, *rest: Any) -> Any:
        if subject.registered.id.startswith("bad"):
            raise RuntimeError("a bug")
        return real(subject, *rest)

    monkeypatch.setattr(proxies, "build", build)
    bench.register(sidecar("bad"))
    bench.register(WEB)

    assert "web-sidecar-proxy" == (await bench.next_config()).id


async def test_checks_of_the_service_are_exposed_as_they_come(bench: Bench) -> None:
    bench.register(NodeService(id="web", service="web"))
    bench.register(sidecar("web", expose=Expose(checks=True)))
    assert ["public_listener"] == [each.name for each in (await bench.next_config()).listeners]

    check = HealthCheck(check_id="c", service_id="web")
    definition = CheckType(check_id="c", http="http://127.0.0.1:8080/health")
    bench.state.put_check(LocalCheck(check=check, definition=definition), now_s=0.0)

    exposed = (await bench.next_config()).listeners[-1]
    assert ("exposed", 21500) == (exposed.direction, exposed.port)
    assert "/health" == exposed.chains[0].routes[0].match.path_exact


async def test_unrelated_services_cost_nothing(bench: Bench) -> None:
    bench.register(WEB)
    await bench.next_config()
    followed = len(bench.watch)

    for number in range(100):
        bench.world.has(f"other-{number}", instance(f"other-{number}"))
        bench.world.change()
        await asyncio.sleep(0)
    await bench.settle()

    assert followed == len(bench.watch)
    assert 1 == len(bench.feed.configs)
