import asyncio
from collections.abc import Callable

import pytest

from proxy.api import Balance, ClientTls, Endpoint, RetryBudget
from proxy.core.limits import OPEN_MAX
from proxy.messages import Instance
from proxy.serving import DialError, OverloadError
from proxy.upstream import ClusterUpstream
from tests.proxy.made_up_cluster import (
    Silent,
    World,
    chosen,
    cluster_of,
    group_of,
    serve,
    the_choice,
)


@pytest.fixture
def world() -> World:
    return World()


# Choosing.


def test_choice_tells_the_endpoint_and_its_group(world: World) -> None:
    group = group_of("a")

    choice = the_choice(world.upstream(cluster_of(group)))

    assert (group.endpoints[0], group) == (choice.endpoint, choice.group)


def test_nobody_is_chosen_of_none(world: World) -> None:
    assert world.upstream(cluster_of()).choose() is None
    assert world.upstream(cluster_of(group_of())).choose(5, frozenset({"a"})) is None


def test_first_group_serves_and_the_next_one_if_it_has_nobody(world: World) -> None:
    near, far = group_of("a", "b"), group_of("c", target="web.default.dc2")

    assert {"a", "b"} == chosen(world.upstream(cluster_of(near, far)))
    assert {"c"} == chosen(world.upstream(cluster_of(group_of(), far)))


def test_failover_takes_over_while_the_first_group_is_ejected(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a"), group_of("b", target="dc2")))

    for _ in range(2):
        serve(upstream, the_choice(upstream), failed=True, world=world)

    assert {"b"} == chosen(upstream)
    world.now_s += 30.0
    assert {"a"} == chosen(upstream)


def test_avoided_endpoint_is_taken_only_if_no_other_is_left(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b"), group_of("c", target="dc2")))

    assert {"b"} == chosen(upstream, avoid=frozenset({"a"}))
    assert {"c"} == chosen(upstream, avoid=frozenset({"a", "b"}))
    assert {"a", "b"} == chosen(upstream, avoid=frozenset({"a", "b", "c"}))


def test_hash_leads_to_one_endpoint(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b", "c"), balance=Balance(policy="maglev")))

    assert 1 == len(chosen(upstream, hashed=77))


# Failures.


def test_failures_in_a_row_eject_and_a_success_between_does_not(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b")))
    a = the_choice(upstream, avoid=frozenset({"b"}))

    for failed in (True, False, True):
        serve(upstream, a, failed=failed, world=world)
    assert {"a", "b"} == chosen(upstream)
    serve(upstream, a, failed=True, world=world)

    assert {"b"} == chosen(upstream)


def test_nobody_is_left_rather_than_an_ejected_one(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a")))

    for _ in range(2):
        serve(upstream, the_choice(upstream), failed=True, world=world)

    assert upstream.choose() is None


async def test_failed_dials_eject_however_their_requests_are_finished(world: World) -> None:
    for failed in (True, False):
        upstream = world.upstream(cluster_of(group_of("a", "b")))
        a = the_choice(upstream, avoid=frozenset({"b"}))
        world.refusing = {"a"}

        for number in range(2):
            assert {"a", "b"} == chosen(upstream), number
            upstream.begin(a)
            with pytest.raises(DialError):
                await upstream.dial(a, Silent)
            upstream.finish(a, failed=failed, latency_s=0.01)
            world.now_s += 1.0

        assert {"b"} == chosen(upstream)


@pytest.mark.parametrize(("protocol", "left"), [("tcp", {"a", "b"}), ("http", {"b"})])
async def test_connection_alone_is_a_success_only_of_tcp(
    world: World, protocol: str, left: set[str]
) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b"), protocol=protocol))
    a = the_choice(upstream, avoid=frozenset({"b"}))

    serve(upstream, a, failed=True, world=world)
    await upstream.dial(a, Silent)
    serve(upstream, a, failed=True, world=world)

    assert left == chosen(upstream)


def test_endpoint_of_several_groups_is_ejected_in_all(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b"), group_of("a", target="subset")))
    a = the_choice(upstream, avoid=frozenset({"b"}))

    for _ in range(2):
        serve(upstream, a, failed=True, world=world)

    assert {"b"} == chosen(upstream, avoid=frozenset({"b"}))


def test_without_detection_nothing_is_ejected(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a"), outlier=None))

    for _ in range(20):
        serve(upstream, the_choice(upstream), failed=True, world=world)

    assert {"a"} == chosen(upstream)


# Limits.


def test_requests_are_limited(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a"), requests_max=1))
    choice = the_choice(upstream)
    upstream.begin(choice)

    with pytest.raises(OverloadError, match=r"requests_max \(1\) of cluster web"):
        upstream.begin(choice)
    upstream.finish(choice, failed=False, latency_s=0.1)
    upstream.begin(choice)


def test_connections_of_tcp_are_not_limited_as_requests(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a"), protocol="tcp", requests_max=0))

    for _ in range(OPEN_MAX + 1):
        upstream.begin(the_choice(upstream))


async def test_connections_are_limited_until_they_are_lost(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a"), connections_max=1))
    choice, handler = the_choice(upstream), Silent()
    await upstream.dial(choice, lambda: handler, ("h2",))

    with pytest.raises(OverloadError, match="connections_max"):
        await upstream.dial(choice, Silent)
    driven = world.handlers[0]
    assert isinstance(driven, object)
    driven.data_received(b"x")  # type: ignore[attr-defined] # a handler around ours
    driven.connection_lost(None)  # type: ignore[attr-defined] # a handler around ours
    await upstream.dial(choice, Silent)

    assert ([b"x"], 1) == (handler.chunks, handler.ended)
    assert ("a", ("h2",), 5.0) == world.dialled[0]


async def test_failed_and_cancelled_dials_are_not_counted(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a"), connections_max=1, pending_max=1))
    choice = the_choice(upstream)
    world.refusing = {"a"}
    with pytest.raises(DialError):
        await upstream.dial(choice, Silent)

    world.hold = asyncio.Event()
    dialling = asyncio.create_task(upstream.dial(choice, Silent))
    await asyncio.sleep(0)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling

    world.hold, world.refusing = None, set()
    await upstream.dial(choice, Silent)


async def test_dials_under_way_are_limited(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a"), pending_max=1))
    choice = the_choice(upstream)
    world.hold = asyncio.Event()
    dialling = asyncio.create_task(upstream.dial(choice, Silent))
    await asyncio.sleep(0)

    with pytest.raises(OverloadError, match="pending_max"):
        await upstream.dial(choice, Silent)
    world.hold.set()
    await dialling
    await upstream.dial(choice, Silent)


def test_retries_have_a_budget(world: World) -> None:
    upstream = world.upstream(
        cluster_of(group_of("a"), retry_budget=RetryBudget(percent=50.0, per_second_min=0.0))
    )

    assert not upstream.may_retry()
    for _ in range(2):
        upstream.begin(the_choice(upstream))
    assert [True, False] == [upstream.may_retry(), upstream.may_retry()]
    upstream.retry_ended()
    assert upstream.may_retry()


# Another configuration.


def retired_by(upstream: ClusterUpstream, change: Callable[[], None]) -> list[str]:
    retired: list[str] = []
    upstream.on_retired(retired.append)
    change()
    return retired


def test_endpoint_that_stays_keeps_what_is_known_of_it(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b")))
    a = the_choice(upstream, avoid=frozenset({"b"}))
    upstream.begin(a)
    for _ in range(2):
        serve(upstream, a, failed=True, world=world)

    upstream.replace(cluster_of(group_of("a", "b", "c")))

    assert {"b", "c"} == chosen(upstream)
    assert [("a", 1)] == [(each.endpoint, each.active) for each in upstream.instances()]


def test_endpoint_that_goes_or_moves_is_retired(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b", "c")))
    moved = Endpoint(id="c", address="10.0.0.9", port=3)
    group = group_of("a", endpoints=(group_of("a").endpoints[0], moved))

    assert ["b", "c"] == retired_by(upstream, lambda: upstream.replace(cluster_of(group)))
    assert moved == the_choice(upstream, avoid=frozenset({"a"})).endpoint


def test_endpoint_that_is_dialled_otherwise_is_retired_but_known(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a")))
    upstream.begin(the_choice(upstream))
    other = cluster_of(group_of("a", tls=ClientTls(server_name="web")))

    assert ["a"] == retired_by(upstream, lambda: upstream.replace(other))
    assert [1] == [each.active for each in upstream.instances()]


def test_same_configuration_retires_nobody_and_the_rotation_goes_on(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b")))
    first = the_choice(upstream).endpoint.id

    assert [] == retired_by(upstream, lambda: upstream.replace(cluster_of(group_of("a", "b"))))
    assert first != the_choice(upstream).endpoint.id


def test_closing_retires_everybody(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b")))

    assert ["a", "b"] == retired_by(upstream, upstream.close)
    assert upstream.choose() is None


def test_request_of_an_endpoint_that_went_ends_without_a_trace(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a"), requests_max=1))
    old = the_choice(upstream)
    upstream.begin(old)
    moved = group_of("a", endpoints=(Endpoint(id="a", address="10.0.0.2", port=1),))
    upstream.replace(cluster_of(moved, requests_max=1))

    upstream.finish(old, failed=True, latency_s=0.1)

    upstream.begin(the_choice(upstream))
    assert [("a", 1)] == [(each.endpoint, each.active) for each in upstream.instances()]


def test_new_limits_and_detection_hold_at_once(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a")))
    for _ in range(2):
        serve(upstream, the_choice(upstream), failed=True, world=world)

    upstream.replace(cluster_of(group_of("a"), outlier=None, requests_max=0))

    assert (None, 0) == (upstream.cluster.outlier, upstream.cluster.requests_max)
    with pytest.raises(OverloadError):
        upstream.begin(the_choice(upstream))


# Reports.


def test_used_and_ejected_endpoints_are_reported(world: World) -> None:
    upstream = world.upstream(cluster_of(group_of("a", "b")))
    a = the_choice(upstream, avoid=frozenset({"b"}))
    assert [] == list(upstream.instances())

    for _ in range(2):
        serve(upstream, a, failed=True, world=world)
    expected = Instance(
        proxy="",
        cluster="web",
        endpoint="a",
        ejected=True,
        active=0,
        latency_ms=pytest.approx(1000.0),  # type: ignore[arg-type] # as good as a float
    )

    assert [expected] == list(upstream.instances())
    world.now_s += 30.0
    assert [] == list(upstream.instances())


def test_pool_is_none_when_made(world: World) -> None:
    assert world.upstream(cluster_of()).pool is None
