import gc

import pytest

from proxy.api import (
    Fault,
    FilterChain,
    HashPolicy,
    HeaderEdits,
    HttpOptions,
    Intention,
    Listener,
    Mirror,
    Permission,
    Policy,
    Route,
    RouteMatch,
    WeightedCluster,
)
from proxy.connection import Facts, Peer
from tests.proxy.http_world import World, chain_of, cluster_of, route_of

GET = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
UNAVAILABLE = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
API = Facts(
    listener="public",
    remote="10.0.0.9:4242",
    peer=Peer(uri="spiffe://td/ns/default/dc/dc1/svc/api", trust_domain="td", service="api"),
)
TWO = (cluster_of("web", endpoints=2),)


def status(text: bytes) -> int:
    assert text.startswith(b"HTTP/1.1 "), text
    return int(text[9:12])


def with_route(*, clusters: tuple[object, ...] = (), **more: object) -> World:
    return World(chain=chain_of(route_of(**more)), clusters=clusters)  # type: ignore[arg-type]


def test_a_request_reaches_an_instance_and_its_answer_the_client():
    world = World()
    client = world.ask(GET)
    assert world.instance().take().startswith(b"GET /a HTTP/1.1\r\nHost: web\r\n")
    world.answer(OK)
    assert OK == client.take()
    client.receive(GET)
    assert 1 == len(world.web.wires)
    world.answer(OK)
    assert OK == client.take()
    assert [200, 200] == [record.status for record in world.records]


def test_a_head_and_its_body_go_out_in_one_write_each_way():
    world = World()
    client = world.ask(POST)
    assert 1 == world.instance().writes
    world.answer(OK)
    assert 1 == client.writes


def test_the_record_tells_all():
    world = World()
    world.time_s = 50.0
    world.ask(POST, API)
    world.advance(0.5)
    world.answer(OK)
    (record,) = world.records
    assert (50.0, 50.5, 200) == (record.started_s, record.ended_s, record.status)
    assert ("api", "web", "http") == (record.source, record.destination, record.protocol)
    assert ("router:web", "web", "n0/web") == (record.route, record.cluster, record.endpoint)
    assert ("POST", "web", "/a") == (record.method, record.host, record.path)
    assert (2, 2, 1, []) == (
        record.bytes_received,
        record.bytes_sent,
        record.attempts,
        record.flags,
    )


def test_a_request_leaves_nothing_to_the_cyclic_collector():
    world = World()
    client = world.ask(GET)
    world.answer(OK)
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            client.receive(GET)
            world.answer(OK)
        assert 0 == gc.collect()
    finally:
        gc.enable()


# Decisions.


def policy(*intentions: Intention) -> Policy:
    return Policy(destination="web", intentions=intentions, trust_domains=("td",))


def guarded(allow: bool, *, tells: bool = False) -> FilterChain:
    intention = Intention(source="api", precedence=9, allow=allow, name="api => web")
    return chain_of(policy=policy(intention), http=HttpOptions(reason_header=tells))


@pytest.mark.parametrize("tells", [False, True])
def test_who_may_not_is_told_so_and_why_if_that_is_wanted(tells: bool):
    world = World(chain=guarded(False, tells=tells))
    client = world.ask(GET, API)
    answer = client.take()
    assert 403 == status(answer)
    assert answer.endswith(b"\r\n\r\naccess denied")
    assert tells == (b"x-proconsul-denied: Matched intention: api => web" in answer)
    assert [] == world.web.wires
    assert [(403, ["denied"], "Matched intention: api => web")] == [
        (each.status, each.flags, each.detail) for each in world.records
    ]


def test_access_that_is_lost_is_lost_for_the_next_request_of_an_open_connection():
    world = World(chain=guarded(True))
    client = world.ask(GET, API)
    world.answer(OK)
    assert OK == client.take()
    world.change(chain=guarded(False))
    client.receive(GET)
    assert 403 == status(client.take())
    assert not client.is_closed
    world.change(chain=guarded(True))
    client.receive(GET)
    world.answer(OK)
    assert OK == client.take()


def test_a_permission_is_about_the_path_as_it_is_sent_on():
    rules = (Permission(allow=True, path_prefix="/public"),)
    intention = Intention(source="api", precedence=9, permissions=rules)
    world = World(chain=chain_of(policy=policy(intention)))
    client = world.ask(GET.replace(b"/a", b"/public/../secret"), API)
    assert 403 == status(client.take())
    client.receive(GET.replace(b"/a", b"/x/../public/./b"))
    world.advance()
    assert world.instance().take().startswith(b"GET /public/b HTTP/1.1")


@pytest.mark.parametrize(
    ("world", "code", "flag"),
    [
        (with_route(match=RouteMatch(path_exact="/b")), 404, "no-route"),
        (with_route(cluster="other"), 503, "no-endpoint"),
        (with_route(clusters=(cluster_of("web", endpoints=0),)), 503, "no-endpoint"),
        (World(chain=chain_of(http=HttpOptions(escaped_slashes="REJECT_REQUEST"))), 400, "refused"),
    ],
)
def test_a_request_that_goes_nowhere_is_answered_here(world: World, code: int, flag: str):
    client = world.ask(GET.replace(b"/a", b"/a%2fb"))
    assert code == status(client.take())
    assert [(code, [flag])] == [(each.status, each.flags) for each in world.records]
    assert not client.is_closed


def test_an_escaped_slash_may_be_redirected():
    options = HttpOptions(escaped_slashes="UNESCAPE_AND_REDIRECT")
    client = World(chain=chain_of(http=options)).ask(GET.replace(b"/a", b"/a%2fb?c"))
    answer = client.take()
    assert 307 == status(answer)
    assert b"location: /a/b?c" in answer


def test_what_is_too_much_is_refused():
    world = World()
    world.is_limited = True
    assert 429 == status(world.ask(GET).take())
    world.is_limited = False
    world.web.overload = "requests_max is reached"
    assert 503 == status(world.ask(GET).take())
    assert [["limited"], ["overflow"]] == [each.flags for each in world.records]
    assert "requests_max is reached" == world.records[1].detail


def test_a_split_draws_its_cluster_and_edits_headers_both_ways():
    edits = HeaderEdits(set=(("X-Split", "b"),), remove=("X-Gone",))
    split = WeightedCluster(cluster="b", weight=1, request_headers=edits, response_headers=edits)
    route = Route(
        name="splitter:web",
        clusters=(WeightedCluster(cluster="web", weight=99), split),
        request_headers=HeaderEdits(add=(("X-Route", "r"),)),
        response_headers=HeaderEdits(add=(("X-Answer", "a"),)),
        match=RouteMatch(path_prefix="/a"),
        prefix_rewrite="/new",
    )
    world = World(chain=chain_of(route), clusters=(cluster_of("web"), cluster_of("b")))
    world.randoms = [0.995]
    client = world.ask(GET.replace(b"\r\n\r\n", b"\r\nX-Gone: 1\r\n\r\n").replace(b"/a", b"/a/b?c"))
    sent = world.upstreams["b"].wires[0].take()
    assert sent.startswith(b"GET /new/b?c HTTP/1.1\r\n")
    assert b"\r\nX-Split: b\r\n" in sent
    assert b"\r\nX-Route: r\r\n" in sent
    assert b"X-Gone" not in sent
    world.upstreams["b"].wires[0].receive(OK.replace(b"\r\n\r\n", b"\r\nX-Gone: 1\r\n\r\n"))
    world.advance()
    answer = client.take()
    assert b"\r\nX-Split: b\r\nX-Answer: a\r\n" in answer
    assert b"X-Gone" not in answer
    assert "b" == world.records[0].cluster


def test_a_hash_makes_its_cookie():
    policies = (HashPolicy(cookie="sticky", cookie_ttl_s=60.0),)
    route = Route(name="r", clusters=(WeightedCluster(cluster="web", hash_policies=policies),))
    world = World(chain=chain_of(route))
    client = world.ask(GET)
    world.answer(OK)
    assert b"\r\nset-cookie: sticky=" in client.take()


def test_the_peer_is_told_to_the_application_once():
    chain = chain_of(http=HttpOptions(forwarded_client_cert=True), tls=None)
    world = World(chain=chain)
    world.ask(GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-Client-Cert: fake\r\n\r\n"), API)
    assert b"Client-Cert: fake\r\n" in world.instance().take()


def test_the_outbound_side_adds_the_client():
    world = World(listener=Listener(name="web", direction="outbound"))
    world.ask(GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"))
    assert b"\r\nX-Forwarded-For: 1.1.1.1,10.0.0.9\r\n" in world.instance().take()


# Faults that are put in on purpose.


def test_a_request_can_be_delayed_and_aborted():
    fault = Fault(delay_s=2.0, delay_percent=100.0, abort_status=418, abort_percent=50.0)
    world = with_route(fault=fault)
    world.randoms = [0.1, 0.6, 0.1, 0.4]
    client = world.ask(GET)
    world.advance(1.9)
    assert [] == world.web.wires
    world.advance(0.2)
    world.answer(OK)
    assert OK == client.take()
    world.randoms = [0.1, 0.4]
    client = world.ask(GET)
    world.advance(2.1)
    assert 418 == status(client.take())
    assert [["fault"], ["fault", "fault-abort"]] == [each.flags for each in world.records]
    assert 0 == world.records[1].attempts


def test_a_body_that_comes_while_a_request_is_delayed_is_kept_or_held_back():
    world = with_route(fault=Fault(delay_s=2.0, delay_percent=100.0))
    client = world.ask(POST.replace(b"Length: 2", b"Length: 100002"))
    client.receive(b"x" * 70_000)
    assert client.is_paused
    client.receive(b"y" * 30_000)
    world.advance(2.1)
    assert not client.is_paused
    assert world.instance().take().endswith(b"hi" + b"x" * 70_000 + b"y" * 30_000)
    world.answer(OK)
    assert OK == client.take()


# Back-pressure.


def test_a_client_that_takes_no_more_holds_the_instance_back():
    world = World()
    client = world.ask(GET)
    world.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1")
    client.handler.pause_writing()
    assert world.instance().is_paused
    client.handler.resume_writing()
    assert not world.instance().is_paused


def test_an_instance_that_takes_no_more_holds_the_client_back():
    world = World()
    client = world.ask(POST[:-1])
    world.instance().handler.pause_writing()
    assert client.is_paused
    world.instance().handler.resume_writing()
    assert not client.is_paused


def test_a_client_that_takes_no_more_is_asked_for_no_more_requests():
    world = World()
    client = world.ask(GET)
    world.answer(OK)
    client.handler.pause_writing()
    client.receive(GET)
    world.instance().take()
    assert b"" == world.instance().take()
    client.handler.resume_writing()
    assert world.instance().take().startswith(b"GET ")


# Limits of the cluster.


def test_requests_wait_for_a_connection_when_there_may_be_no_more_of_them():
    world = World()
    world.web.connections_max = 1
    first, second = world.ask(GET), world.ask(GET)
    assert 1 == len(world.web.wires)
    world.answer(OK)
    assert OK == first.take()
    world.answer(OK.replace(b"hi", b"ho"))
    assert OK.replace(b"hi", b"ho") == second.take()


def test_requests_that_wait_are_limited():
    world = World(clusters=(cluster_of("web", pending_max=1),))
    world.web.connections_max = 1
    world.ask(GET)
    world.ask(GET)
    third = world.ask(GET)
    assert 503 == status(third.take())
    assert ["overflow"] == world.records[0].flags


# Mirrors.


def test_a_copy_goes_elsewhere_and_its_answer_nowhere():
    mirror = Mirror(cluster="shadow", percent=50.0)
    world = with_route(mirror=mirror, clusters=(cluster_of("web"), cluster_of("shadow")))
    world.randoms = [0.5, 0.5, 0.5, 0.4]
    client = world.ask(POST)
    copy = world.upstreams["shadow"].wires[0]
    written = copy.take()
    assert written.endswith(b"\r\n\r\nhi")
    assert b"\r\nx-proconsul-mirror: 1\r\n" in written
    assert b"x-proconsul-mirror" not in world.instance().take()
    copy.receive(UNAVAILABLE)
    assert b"" == client.take()
    world.answer(OK)
    assert OK == client.take()
    assert ["mirrored"] == world.records[0].flags
    assert 1 == len(world.records)


# gRPC.


def test_a_grpc_client_gets_a_status_for_what_is_answered_here():
    chain = chain_of(protocol="grpc", policy=policy())
    world = World(chain=chain)
    answer = world.ask(POST).take()
    assert 200 == status(answer)
    assert b"grpc-status: 7\r\ngrpc-message: access denied\r\n" in answer
    assert 403 == world.records[0].status


def test_a_grpc_client_sets_the_time():
    world = World(chain=chain_of(protocol="grpc"))
    client = world.ask(GET.replace(b"\r\n\r\n", b"\r\nGrpc-Timeout: 500m\r\n\r\n"))
    world.advance(0.6)
    assert b"grpc-status: 4\r\n" in client.take()
