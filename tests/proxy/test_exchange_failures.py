import pytest

from proxy.api import RetryPolicy
from proxy.http1_server import HALF_CLOSED_S
from tests.proxy.http_world import World, chain_of, cluster_of, route_of

GET = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
UNAVAILABLE = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
TWO = (cluster_of("web", endpoints=2),)


def status(text: bytes) -> int:
    assert text.startswith(b"HTTP/1.1 "), text
    return int(text[9:12])


def with_route(*, clusters: tuple[object, ...] = (), **more: object) -> World:
    return World(chain=chain_of(route_of(**more)), clusters=clusters)  # type: ignore[arg-type]


def test_a_connection_that_cannot_be_made_is_tried_elsewhere_for_any_method():
    world = World(clusters=TWO)
    world.web.refusing = {"n0/web"}
    client = world.ask(POST)
    assert ["n0/web", "n1/web"] == world.web.dialled
    assert world.instance().take().endswith(b"\r\n\r\nhi")
    world.answer(OK)
    assert OK == client.take()
    assert ["connect-failure", "retried"] == world.records[0].flags
    assert 0 == world.web.budget.open
    assert 0 == world.web.active


def test_nobody_to_connect_to_is_a_503():
    world = World(clusters=TWO)
    world.web.refusing = {"n0/web", "n1/web"}
    client = world.ask(GET)
    assert 503 == status(client.take())
    assert ["connect-failure", "retried"] == world.records[0].flags
    assert "connection refused" == world.records[0].detail
    assert 2 == world.records[0].attempts


def kept(world: World) -> None:
    """Let the world have a connection that carried a request."""
    world.ask(GET)
    world.answer(OK)
    world.records.clear()


def test_a_get_on_a_connection_that_was_closed_is_sent_again_on_a_new_one():
    world = World()
    kept(world)
    client = world.ask(GET)
    world.instance().lose()
    world.advance()
    assert 2 == len(world.web.wires)
    world.answer(OK)
    assert OK == client.take()
    assert (["retried"], 2) == (world.records[0].flags, world.records[0].attempts)


def test_a_post_on_a_connection_that_was_closed_is_not_sent_again():
    world = World()
    kept(world)
    client = world.ask(POST)
    world.instance().lose()
    world.advance()
    assert 1 == len(world.web.wires)
    assert 503 == status(client.take())
    assert ["stale-connection"] == world.records[0].flags
    assert [("n0/web", False)] * 2 == world.web.finished


def test_a_connection_whose_end_is_known_is_not_used():
    world = World()
    kept(world)
    world.instance().end()
    client = world.ask(POST)
    assert 2 == len(world.web.wires)
    world.answer(OK)
    assert OK == client.take()


@pytest.mark.parametrize("request_", [GET, POST])
def test_a_reset_before_the_answer_is_a_503_without_a_policy(request_: bytes):
    world = World()
    client = world.ask(request_)
    world.instance().lose()
    world.advance()
    assert 503 == status(client.take())
    assert 1 == len(world.web.wires)
    assert [("n0/web", True)] == world.web.finished


@pytest.mark.parametrize(
    "part",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", OK[:-1], b"HTTP/1.1 200 OK\r\n\r\nhi"],
)
def test_an_answer_that_breaks_off_breaks_off_at_the_client(part: bytes):
    world = World()
    client = world.ask(GET)
    world.answer(part)
    world.instance().lose()
    assert client.is_closed
    assert ["reset"] == world.records[0].flags


RETRY = RetryPolicy(on=("5xx",), status_codes=(429,), count=2, back_off_s=0.1, back_off_max_s=1.0)


def test_a_bad_answer_is_asked_for_again_elsewhere_after_a_pause():
    world = with_route(retry=RETRY, clusters=TWO)
    world.randoms = []
    client = world.ask(GET)
    world.answer(UNAVAILABLE)
    assert b"" == client.take()
    assert 1 == len(world.web.wires)
    world.advance(0.06)
    assert ["n0/web", "n1/web"] == world.web.dialled
    world.answer(OK)
    assert OK == client.take()
    assert [("n0/web", True), ("n1/web", False)] == world.web.finished


def test_retries_end():
    world = with_route(retry=RETRY)
    client = world.ask(GET)
    for _ in range(3):
        assert b"" == client.take()
        world.answer(UNAVAILABLE)
        world.advance(1.0)
    assert UNAVAILABLE == client.take()
    assert 3 == world.records[0].attempts
    assert ["retried"] == world.records[0].flags


def test_a_post_that_was_answered_badly_is_not_sent_again():
    world = with_route(retry=RETRY)
    client = world.ask(POST)
    world.answer(UNAVAILABLE)
    assert UNAVAILABLE == client.take()
    assert 1 == world.records[0].attempts


def test_a_put_is_sent_again_with_its_body_unless_that_was_too_large():
    put = POST.replace(b"POST", b"PUT")
    for extra, attempts in ((1_000, 2), (100_000, 1)):
        world = with_route(retry=RETRY)
        client = world.ask(put.replace(b"Length: 2", b"Length: %d" % (extra + 2)) + b"x" * extra)
        assert world.instance().take().endswith(b"\r\n\r\nhi" + b"x" * extra)
        world.answer(UNAVAILABLE)
        world.advance(1.0)
        if attempts == 2:
            assert world.instance().take().endswith(b"\r\n\r\nhi" + b"x" * extra)
            world.answer(OK)
        assert (OK if attempts == 2 else UNAVAILABLE) == client.take()
        assert attempts == world.records[0].attempts


def test_retries_beyond_the_budget_are_not_made():
    world = with_route(retry=RETRY)
    clients = [world.ask(GET) for _ in range(6)]
    for number in range(6):
        world.answer(UNAVAILABLE, number)
    # A fifth of six that are active is one, and three a second are allowed in any case.
    assert 2 == sum(UNAVAILABLE == client.take() for client in clients)
    assert 2 == sum("over-budget" in each.flags for each in world.records)


def test_a_client_that_goes_while_a_retry_waits_gives_the_budget_back():
    world = with_route(retry=RETRY)
    client = world.ask(GET)
    world.answer(UNAVAILABLE)
    assert 1 == world.web.budget.open
    client.lose()
    assert 0 == world.web.budget.open
    world.advance(5.0)
    assert 1 == len(world.web.wires)
    assert ["retried", "client-gone"] == world.records[0].flags


def test_a_client_that_goes_takes_its_request_along():
    for leave in ("lose", "end"):
        world = World()
        client = world.ask(GET)
        getattr(client, leave)()
        world.advance(HALF_CLOSED_S)  # it might read its answer still
        assert world.instance().is_aborted
        assert [(0, ["client-gone"])] == [(each.status, each.flags) for each in world.records]
        assert [("n0/web", False)] == world.web.finished


# Times.


def test_no_answer_in_the_time_of_the_route_is_a_504():
    world = with_route(timeout_s=3.0)
    client = world.ask(GET)
    world.advance(2.9)
    assert b"" == client.take()
    world.advance(0.2)
    assert 504 == status(client.take())
    assert world.instance().is_aborted
    assert ["timeout"] == world.records[0].flags
    assert [("n0/web", True)] == world.web.finished
    assert not client.is_closed


def test_an_answer_that_does_not_end_in_time_is_cut_short():
    world = with_route(timeout_s=3.0)
    client = world.ask(GET)
    world.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")
    world.advance(3.1)
    assert client.is_closed
    assert (200, ["timeout"]) == (world.records[0].status, world.records[0].flags)


def test_the_time_begins_when_the_request_is_complete_and_may_be_none():
    world = with_route(timeout_s=3.0)
    client = world.ask(POST[:-1])
    world.advance(10.0)
    client.receive(b"i")
    world.advance(2.9)
    world.answer(OK)
    assert OK == client.take()
    world = with_route(timeout_s=0.0)
    client = world.ask(GET)
    world.advance(200.0)
    world.answer(OK)
    assert OK == client.take()


def test_silence_ends_a_stream_and_a_byte_keeps_it():
    world = with_route(timeout_s=0.0, idle_timeout_s=10.0)
    client = world.ask(GET)
    world.answer(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(6):
        world.advance(6.0)
        world.answer(b"x")
    assert not client.is_closed
    world.advance(21.0)
    assert client.is_closed
    assert ["timeout"] == world.records[0].flags


def test_a_client_that_stops_in_its_request_is_told():
    world = with_route(idle_timeout_s=10.0)
    client = world.ask(POST[:-1])
    world.advance(25.0)
    assert 408 == status(client.take())


def test_an_attempt_may_have_a_time_of_its_own():
    retry = RetryPolicy(on=("5xx",), count=1, per_try_timeout_s=1.0, back_off_s=0.0)
    world = with_route(retry=retry, clusters=TWO)
    client = world.ask(GET)
    world.advance(1.1)
    assert ["n0/web", "n1/web"] == world.web.dialled
    world.advance(1.1)
    assert 504 == status(client.take())
    assert [("n0/web", True), ("n1/web", True)] == world.web.finished


def test_an_attempt_whose_answer_began_in_time_may_go_on():
    retry = RetryPolicy(on=("5xx",), count=1, per_try_timeout_s=1.0)
    world = with_route(retry=retry)
    client = world.ask(GET)
    world.answer(OK[:-1])
    world.advance(5.0)
    world.answer(OK[-1:])
    assert OK == client.take()
