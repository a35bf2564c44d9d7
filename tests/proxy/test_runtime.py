import asyncio
from typing import Any

import msgspec
import pytest

from proxy.api import Cluster, Endpoint, EndpointGroup, ServerTls
from proxy.runtime import BIND_RETRY_FIRST_S, BIND_RETRY_MAX_S, Runtime
from tests.proxy.fakes import Fakes, FakeSocket, chain, listener, proxy


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def runtime(fakes: Fakes, told: list[str]) -> Runtime:
    return Runtime(fakes.parts, fakes.around, told.append)


def test_a_new_proxy_accepts_at_its_listeners(runtime: Runtime, fakes: Fakes) -> None:
    faults = runtime.apply(proxy(listener("a", 1), listener("b", 2)))

    assert {} == faults
    assert ["127.0.0.1:1", "127.0.0.1:2"] == [sock.place for sock in fakes.sockets]
    assert all(acceptor.is_accepting for acceptor in fakes.acceptors)


def test_a_listener_at_the_same_place_keeps_its_socket_and_connections(
    runtime: Runtime, fakes: Fakes
) -> None:
    runtime.apply(proxy())
    carrier = fakes.acceptors[0].connect()
    changed = chain(source="other")

    runtime.apply(proxy(listener(chains=(changed,))))
    fakes.clock.advance(0.1)

    assert 1 == len(fakes.sockets)
    assert not carrier.is_aborted
    assert changed == fakes.handlers[0].serving.chain
    assert 1 == fakes.handlers[0].changes


def test_connections_are_not_told_of_what_does_not_concern_them(
    runtime: Runtime, fakes: Fakes
) -> None:
    runtime.apply(proxy(listener("a", 1), listener("b", 2)))
    for acceptor in fakes.acceptors:
        acceptor.connect()
    cluster = Cluster(name="app", service="app", connect_timeout_s=1.0)

    runtime.apply(proxy(listener("a", 1), listener("b", 2), clusters={"app": cluster}, index=7))
    fakes.clock.advance(0.1)
    assert [0, 0] == [handler.changes for handler in fakes.handlers]

    other = listener("b", 2, chains=(chain(source="x"),))
    runtime.apply(proxy(listener("a", 1), other, clusters={"app": cluster}))
    fakes.clock.advance(0.1)
    assert [0, 1] == [handler.changes for handler in fakes.handlers]

    runtime.apply(proxy(listener("a", 1), other, clusters={"app": cluster}, revoked=("0a",)))
    fakes.clock.advance(0.1)
    assert [1, 2] == [handler.changes for handler in fakes.handlers]


def test_clusters_are_made_replaced_and_forgotten(runtime: Runtime, fakes: Fakes) -> None:
    runtime.apply(proxy())
    fakes.acceptors[0].connect()
    serving = fakes.handlers[0].serving
    assert serving.upstream("app") is fakes.upstreams[0]  # type: ignore[comparison-overlap] # a fake

    runtime.apply(proxy(index=1))
    assert 0 == fakes.upstreams[0].replaced

    runtime.apply(proxy(clusters={"app": Cluster(name="app", service="other")}))
    assert "other" == fakes.upstreams[0].cluster.service

    runtime.apply(proxy(clusters={}))
    assert serving.upstream("app") is None
    assert fakes.upstreams[0].is_closed


def test_a_port_that_is_taken_is_a_fault_until_it_is_free(
    runtime: Runtime, fakes: Fakes, told: list[str]
) -> None:
    fakes.taken.add("127.0.0.1:1")

    assert {"a": "127.0.0.1:1: Address already in use"} == runtime.apply(
        proxy(listener("a", 1), listener("b", 2))
    )
    fakes.clock.advance(BIND_RETRY_MAX_S * 3)
    assert [] == told

    fakes.taken.clear()
    fakes.clock.advance(BIND_RETRY_MAX_S)
    assert ["web"] == told
    assert {} == runtime.faults("web")
    assert {"127.0.0.1:1", "127.0.0.1:2"} == {sock.place for sock in fakes.sockets}


def test_a_certificate_that_cannot_be_used_is_a_fault(runtime: Runtime) -> None:
    tls = ServerTls(identity="web")

    faults = runtime.apply(proxy(listener(chains=(chain(tls=tls),))))

    assert {"public": "no certificate of 'web'"} == faults


def test_a_removed_listener_accepts_no_more_and_is_cut_when_its_time_is_over(
    runtime: Runtime, fakes: Fakes
) -> None:
    runtime.apply(proxy(listener("a", 1), listener("b", 2)))
    carrier = fakes.acceptors[0].connect()

    runtime.apply(proxy(listener("b", 2)))
    fakes.clock.advance(4.9)

    assert not fakes.acceptors[0].is_accepting
    assert fakes.sockets[0].is_closed
    assert fakes.handlers[0].serving.is_draining
    assert 1 == fakes.handlers[0].changes
    assert 1 == runtime.open_count
    assert not carrier.is_aborted

    fakes.clock.advance(0.2)
    assert carrier.is_aborted
    assert 0 == runtime.open_count


def test_a_listener_that_is_renamed_leaves_its_socket_to_its_successor(
    runtime: Runtime, fakes: Fakes
) -> None:
    runtime.apply(proxy(listener("a", 1)))

    runtime.apply(proxy(listener("z", 1)))

    assert 1 == len(fakes.sockets)
    assert not fakes.sockets[0].is_closed
    assert [False, True] == [acceptor.is_accepting for acceptor in fakes.acceptors]


def test_a_chain_that_carries_something_else_is_another_one(runtime: Runtime, fakes: Fakes) -> None:
    runtime.apply(proxy())
    old = fakes.acceptors[0].connect()

    runtime.apply(proxy(listener(chains=(chain(protocol="http"),))))
    fakes.acceptors[0].connect()
    fakes.clock.advance(0.1)

    assert fakes.handlers[0].serving.is_draining
    assert not fakes.handlers[1].serving.is_draining
    assert 2 == runtime.open_count

    fakes.clock.advance(5.0)
    assert old.is_aborted
    assert 1 == runtime.open_count


def test_a_removed_proxy_is_gone_when_it_has_drained(runtime: Runtime, fakes: Fakes) -> None:
    runtime.apply(proxy())
    carrier = fakes.acceptors[0].connect()

    runtime.remove("web", 1.0)
    runtime.remove("unknown", 1.0)

    assert () == runtime.proxies
    assert fakes.sockets[0].is_closed
    assert not fakes.upstreams[0].is_closed
    fakes.clock.advance(1.1)
    assert carrier.is_aborted
    assert fakes.upstreams[0].is_closed


def test_the_limit_of_connections_holds_over_a_change(runtime: Runtime, fakes: Fakes) -> None:
    limited = proxy(listener(chains=(chain(connections_max=1),)))
    runtime.apply(limited)
    first = fakes.acceptors[0].connect()

    runtime.apply(msgspec.structs.replace(limited, revoked=("01",)))
    fakes.acceptors[0].connect().abort()
    first.abort()
    fakes.acceptors[0].connect()

    assert [True, False, True] == [handler.was_admitted for handler in fakes.handlers]


def test_adopted_sockets_are_used_in_place_of_new_ones(runtime: Runtime, fakes: Fakes) -> None:
    ours, other_place, gone = (FakeSocket(name) for name in ("ours", "moved", "gone"))
    sockets: Any = {
        ("web", "a", "127.0.0.1:1"): ours,
        ("web", "b", "127.0.0.1:9"): other_place,
        ("gone", "a", "127.0.0.1:3"): gone,
    }
    runtime.adopt(sockets)

    runtime.apply(proxy(listener("a", 1), listener("b", 2)))
    assert 2 == runtime.unclaimed
    runtime.close_unclaimed()

    assert ours is fakes.acceptors[0].sock  # type: ignore[comparison-overlap] # a fake
    assert ["127.0.0.1:2"] == [sock.place for sock in fakes.sockets]
    assert (False, True, True) == (ours.is_closed, other_place.is_closed, gone.is_closed)


def test_a_worker_that_gave_its_sockets_binds_no_others_until_it_is_told_to_go_on(
    runtime: Runtime, fakes: Fakes
) -> None:
    runtime.apply(proxy(listener("a", 1)))
    assert {("web", "a", "127.0.0.1:1")} == runtime.sockets().keys()
    runtime.has_given = True

    runtime.apply(proxy(listener("a", 1), listener("b", 2)))
    fakes.clock.advance(BIND_RETRY_MAX_S)
    assert 1 == len(fakes.sockets)

    runtime.has_given = False
    fakes.clock.advance(BIND_RETRY_MAX_S)
    assert 2 == len(fakes.sockets)


async def test_a_drain_ends_with_the_last_connection(runtime: Runtime, fakes: Fakes) -> None:
    runtime.apply(proxy())
    carrier = fakes.acceptors[0].connect()
    draining = asyncio.get_running_loop().create_task(runtime.drain(10.0))
    await asyncio.sleep(0)

    assert not fakes.acceptors[0].is_accepting
    assert fakes.sockets[0].is_closed
    assert not draining.done()
    carrier.abort()

    assert 0 == await draining
    runtime.apply(proxy(listener("late", 2)))
    assert 1 == len(fakes.sockets)


async def test_what_does_not_end_in_time_is_cut(runtime: Runtime, fakes: Fakes) -> None:
    runtime.apply(proxy())
    carrier = fakes.acceptors[0].connect()

    draining = asyncio.get_running_loop().create_task(runtime.drain(0.0))
    await asyncio.sleep(0)
    fakes.clock.advance(0.1)

    assert 1 == await draining
    assert carrier.is_aborted


def test_instances_are_told_with_their_proxy(runtime: Runtime) -> None:
    runtime.apply(proxy())

    assert [("web", "app", "a")] == [
        (instance.proxy, instance.cluster, instance.endpoint) for instance in runtime.instances()
    ]


def test_connections_are_told_when_endpoints_they_lead_to_come_or_go(
    runtime: Runtime, fakes: Fakes
) -> None:
    def told_after(**endpoints: int) -> int:
        group = EndpointGroup(
            target="app",
            endpoints=tuple(Endpoint(id="a", port=1, weight=w) for w in endpoints.values()),
        )
        app = Cluster(name="app", service="app", groups=(group,) if endpoints else ())
        other = Cluster(name="other", service=f"other{len(fakes.upstreams)}")
        runtime.apply(proxy(clusters={"app": app, "other": other}))
        fakes.clock.advance(0.1)
        return fakes.handlers[0].changes

    runtime.apply(proxy())
    fakes.acceptors[0].connect()

    assert 1 == told_after(weight=1)
    assert 1 == told_after(weight=5)
    assert 2 == told_after()


def test_what_drains_is_still_told_of_what_it_is_decided_by(runtime: Runtime, fakes: Fakes) -> None:
    runtime.apply(proxy(listener("a", 1), listener("b", 2)))
    fakes.acceptors[0].connect()
    runtime.apply(proxy(listener("b", 2)))
    fakes.clock.advance(0.1)

    runtime.apply(proxy(listener("b", 2), revoked=("0a",)))
    fakes.clock.advance(0.1)

    assert 2 == fakes.handlers[0].changes


def test_a_port_is_tried_again_soon_and_then_less_often(runtime: Runtime, fakes: Fakes) -> None:
    fakes.taken.add("127.0.0.1:1")
    runtime.apply(proxy())

    fakes.taken.clear()
    fakes.clock.advance(BIND_RETRY_FIRST_S)

    assert 1 == len(fakes.sockets)
