import asyncio

import pytest

from proxy.api import RateLimit, Route, ServerTls, WeightedCluster
from proxy.chain_serving import ChainServing, ProxyState, chain_key
from proxy.serving import Serving
from tests.proxy.fakes import Fakes, chain, listener, proxy


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


def serving_of(fakes: Fakes, **fields: object) -> ChainServing:
    return ChainServing(ProxyState(proxy()), listener(), chain(**fields), fakes.around)


def route(name: str, limit: RateLimit | None = None) -> Route:
    return Route(name=name, clusters=(WeightedCluster(cluster="app"),), rate_limit=limit)


def test_it_is_what_handlers_ask_for(fakes: Fakes) -> None:
    serving: Serving = serving_of(fakes)

    assert "web" == serving.proxy.id
    assert "public" == serving.listener.name
    assert serving.upstream("nowhere") is None
    assert 100.0 == serving.now_s()
    assert 0.5 == serving.random()


def test_a_chain_is_another_one_by_names_tls_and_protocol_alone() -> None:
    base = chain(server_names=("a", "b"))

    assert chain_key(base) == chain_key(chain(server_names=("b", "a"), connections_max=3))
    assert chain_key(base) != chain_key(chain(server_names=("a",)))
    assert chain_key(base) != chain_key(chain(server_names=("a", "b"), protocol="http"))
    assert chain_key(base) != chain_key(chain(server_names=("a", "b"), tls=ServerTls()))


def test_tokens_are_of_the_route_if_it_has_a_limit_else_of_the_chain(fakes: Fakes) -> None:
    serving = serving_of(
        fakes,
        rate_limit=RateLimit(per_second=1, burst=1),
        routes=(route("limited", RateLimit(per_second=1, burst=2)), route("a"), route("b")),
    )

    names = ("limited", "limited", "limited", "a", "b")
    assert [True, True, False, True, False] == [serving.admits_request(name) for name in names]


def test_tokens_are_kept_over_a_change(fakes: Fakes) -> None:
    serving = serving_of(fakes, rate_limit=RateLimit(per_second=1, burst=2))
    assert serving.admits_request("app")
    assert serving.admits_request("app")

    faster = chain(rate_limit=RateLimit(per_second=10, burst=2))
    serving.change(listener(), faster)
    assert not serving.admits_request("app")
    fakes.clock.advance(0.15)
    assert serving.admits_request("app")
    assert not serving.admits_request("app")

    serving.change(listener(), chain())
    assert serving.admits_request("app")


def test_who_undid_it_is_not_told(fakes: Fakes) -> None:
    serving = serving_of(fakes)
    told: list[str] = []
    undo = serving.on_changed(lambda: told.append("first"))
    serving.on_changed(lambda: told.append("second"))

    serving.notify()
    undo()
    fakes.clock.advance(0.1)

    assert ["second"] == told


def test_draining_is_told(fakes: Fakes) -> None:
    serving = serving_of(fakes)
    told: list[bool] = []
    serving.on_changed(lambda: told.append(serving.is_draining))

    serving.drain()
    fakes.clock.advance(0.1)

    assert [True] == told


def test_who_finishes_a_handshake_after_the_end_is_not_let_in(fakes: Fakes) -> None:
    serving = serving_of(fakes)
    serving.drain()
    assert serving.admits_connection()

    serving.cut()

    assert not serving.admits_connection()


def test_a_timer_can_be_undone(fakes: Fakes) -> None:
    serving = serving_of(fakes)
    called: list[int] = []
    serving.call_later(1.0, lambda: called.append(1))
    serving.call_later(1.0, lambda: called.append(2))()

    fakes.clock.advance(1.0)

    assert [1] == called


async def test_work_can_be_cancelled(fakes: Fakes) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    cancel = serving_of(fakes).start("work", work())
    await asyncio.sleep(0)
    cancel()

    async with asyncio.timeout(5):
        await ended.wait()
