import pytest

from proxy.core.limits import OPEN_MAX
from proxy.http import ClientConnection, Fault
from proxy.http1_client import Http1Client
from proxy.http2_client import Http2Client
from proxy.http_pool import (
    IDLE_CONNECTIONS_MAX,
    IDLE_S,
    SWEEP_INTERVAL_S,
    HttpPool,
    Waiter,
    pool_of,
)
from proxy.serving import Choice
from tests.proxy.http_world import Cluster1, World, cluster_of
from tests.proxy.test_http1_client import OK, Heard, request


class Waits(Waiter):
    """Opens a request at once, as exchanges do."""

    def __init__(self) -> None:
        self.connection: ClientConnection | None = None
        self.fault: Fault | None = None
        self.heard = Heard()

    def connected(self, connection: ClientConnection) -> None:
        self.connection = connection
        connection.open(request(), self.heard)

    def unconnected(self, fault: Fault, detail: str) -> None:
        self.fault = fault


def make(**more: object) -> tuple[World, Cluster1, HttpPool, Choice]:
    world = World(clusters=(cluster_of("web", **more),))
    choice = world.web.choose()
    assert choice is not None
    return world, world.web, pool_of(world.web, world), choice


def test_a_cluster_has_one_pool():
    world, web, pool, _ = make()
    assert pool is pool_of(web, world)


def waiting(world: World, pool: HttpPool, choice: Choice, count: int = 1) -> list[Waits]:
    waits = [Waits() for _ in range(count)]
    for each in waits:
        pool.wait(choice, each)
    world.advance()
    return waits


def test_the_connection_that_was_used_last_goes_first():
    world, web, pool, choice = make()
    assert pool.take(choice) is None
    first, second = waiting(world, pool, choice, 2)
    assert isinstance(first.connection, Http1Client)
    web.wires[0].receive(OK)
    web.wires[1].receive(OK)
    assert second.connection is pool.take(choice)
    assert first.connection is pool.take(choice)
    assert pool.take(choice) is None


def test_who_waits_is_served_by_what_gets_free_first():
    world, web, pool, choice = make()
    (first,) = waiting(world, pool, choice)
    web.is_stalled = True
    (second,) = waiting(world, pool, choice)
    assert second.connection is None
    web.wires[0].receive(OK)
    assert first.connection is second.connection
    assert 0 == pool.waiting


def test_who_wants_a_fresh_connection_gets_no_used_one():
    world, web, pool, choice = make()
    (first,) = waiting(world, pool, choice)
    fresh, other = Waits(), Waits()
    pool.wait(choice, fresh, fresh=True)
    pool.wait(choice, other)
    web.wires[0].receive(OK)
    assert (None, first.connection) == (fresh.connection, other.connection)
    world.advance()
    assert fresh.connection is not None
    assert first.connection is not fresh.connection
    assert 0 == pool.waiting


def test_a_dial_that_fails_fails_one():
    world, web, pool, choice = make()
    web.refusing = {"n0/web"}
    waits = waiting(world, pool, choice, 2)
    assert [Fault.CONNECT, Fault.CONNECT] == [each.fault for each in waits]
    assert 2 == len(web.dialled)


def test_idle_connections_are_closed_in_the_end_and_only_those():
    world, web, pool, choice = make()
    waiting(world, pool, choice, 2)
    web.wires[0].receive(OK)
    world.advance(IDLE_S + SWEEP_INTERVAL_S)
    assert [True, False] == [wire.is_closed for wire in web.wires]
    web.wires[1].receive(OK)
    world.advance(IDLE_S + 2 * SWEEP_INTERVAL_S)
    assert web.wires[1].is_closed
    assert [] == world.due


def test_no_more_than_enough_are_kept():
    world, web, pool, choice = make()
    waiting(world, pool, choice, IDLE_CONNECTIONS_MAX + 3)
    for wire in web.wires:
        wire.receive(OK)
    assert IDLE_CONNECTIONS_MAX == sum(not wire.is_closed for wire in web.wires)


def test_a_retired_endpoint_loses_idle_connections_now_and_busy_ones_later():
    world, web, pool, choice = make()
    busy = waiting(world, pool, choice, 2)[1]
    web.wires[0].receive(OK)
    web.retire("n0/web")
    assert [True, False] == [wire.is_closed for wire in web.wires]
    web.wires[1].receive(OK)
    assert [(200, False), b"hi", []] == busy.heard.told
    assert web.wires[1].is_closed
    assert pool.take(choice) is None


def test_what_was_being_dialled_for_a_retired_endpoint_serves_who_waits_and_nobody_else():
    world, web, pool, choice = make()
    wait = Waits()
    pool.wait(choice, wait)

    web.retire(choice.endpoint.id)
    world.advance()

    assert wait.connection is not None
    assert pool.take(choice) is None
    web.wires[0].receive(OK)
    assert web.wires[0].is_closed
    assert pool.take(choice) is None


@pytest.mark.parametrize("change", ["retired", "protocol"])
def test_who_waits_for_what_is_no_more_can_give_up(change):
    world, web, pool, choice = make()
    web.is_stalled = True
    wait = Waits()
    pool.wait(choice, wait)
    if change == "retired":
        web.retire(choice.endpoint.id)
    else:
        web.replace(cluster_of("web", protocol="http2"))

    pool.forget(choice, wait)

    assert 0 == pool.waiting
    world.advance()
    assert wait.connection is None


def test_who_gives_up_leaves_the_connection_to_others():
    world, _web, pool, choice = make()
    waits = Waits()
    pool.wait(choice, waits)
    pool.forget(choice, waits)
    world.advance()
    assert (None, None, 0) == (waits.connection, waits.fault, pool.waiting)
    assert pool.take(choice) is not None


def test_when_no_more_may_be_dialled_the_first_that_ends_makes_room():
    world, web, pool, choice = make()
    web.connections_max = 1
    first, second = waiting(world, pool, choice, 2)
    assert (None, None) == (second.connection, second.fault)
    web.wires[0].receive(OK.replace(b"1.1", b"1.0"))
    world.advance()
    assert first.connection is not second.connection
    assert second.connection is not None


def test_where_nothing_is_open_the_limit_is_told():
    world, web, pool, choice = make()
    web.connections_max = 0
    (waits,) = waiting(world, pool, choice)
    assert Fault.OVERFLOW is waits.fault


@pytest.mark.parametrize(("pending_max", "allowed"), [(2, 2), (0, 0), (None, OPEN_MAX)])
def test_those_that_wait_are_limited(pending_max: int | None, allowed: int):
    world, web, pool, choice = make(pending_max=pending_max)
    web.is_stalled = True
    waits = waiting(world, pool, choice, allowed + 1)
    assert allowed == pool.waiting
    assert Fault.OVERFLOW is waits[-1].fault


def test_many_requests_share_one_connection_of_http2():
    world = World(clusters=(cluster_of("web", protocol="http2"),))
    choice = world.web.choose()
    assert choice is not None
    pool = pool_of(world.web, world)
    waits = waiting(world, pool, choice, 3)
    assert 1 == len(world.web.wires)
    assert isinstance(waits[0].connection, Http2Client)
    assert pool.take(choice) is waits[0].connection is waits[2].connection
    world.web.wires[0].lose()
    assert pool.take(choice) is None


def test_a_failed_dial_of_http2_fails_all_that_wait_for_it():
    world = World(clusters=(cluster_of("web", protocol="grpc"),))
    choice = world.web.choose()
    assert choice is not None
    world.web.refusing = {"n0/web"}
    waits = waiting(world, pool_of(world.web, world), choice, 3)
    assert [Fault.CONNECT] * 3 == [each.fault for each in waits]
    assert 1 == len(world.web.dialled)


def test_a_cluster_that_changes_its_protocol_is_spoken_to_in_the_new_one():
    world, web, pool, choice = make()
    waiting(world, pool, choice)
    web.wires[0].receive(OK)
    web.change(cluster_of("web", protocol="http2"))
    assert pool.take(choice) is None
    (waits,) = waiting(world, pool, choice)
    assert isinstance(waits.connection, Http2Client)
