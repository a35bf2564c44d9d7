import pytest

from proxy.api import (
    HashPolicy,
    HttpOptions,
    Intention,
    JwtProvider,
    JwtRequirement,
    Policy,
    WeightedCluster,
)
from proxy.connection import Facts, Peer
from proxy.exchange_decision import Destination, address_of, decide
from proxy.http import Headers, RequestHead
from proxy.local_reply import Reply
from proxy.serving import Record
from tests.proxy.http_world import FACTS, World, chain_of, route_of

API = Facts(
    listener="public",
    remote="10.0.0.9:1",
    peer=Peer(uri="spiffe://td/svc/api", trust_domain="td", service="api"),
)


def asked(target: bytes = b"/a", headers: Headers | None = None) -> RequestHead:
    return RequestHead(
        method=b"GET", scheme=b"http", authority=b"web", target=target, headers=headers or []
    )


def decided(
    world: World, head: RequestHead | None = None, facts: Facts = FACTS
) -> tuple[Destination | Reply, Record]:
    record = Record(started_s=0.0, facts=facts)
    return decide(world, facts, head or asked(), record), record


def test_a_destination_is_written_down():
    found, record = decided(World())
    assert isinstance(found, Destination)
    assert (b"/a", 15.0) == (found.target, found.timeout_s)
    assert ("router:web", "web", "web") == (record.route, record.cluster, record.destination)


def test_the_policy_is_asked_before_anything_else():
    policy = Policy(destination="web", trust_domains=("td",))
    world = World(chain=chain_of(route_of("none"), policy=policy))
    world.is_limited = True
    found, record = decided(world, facts=API)
    assert isinstance(found, Reply)
    assert (403, "denied") == (found.status, found.flag)
    assert "" == record.route


def test_a_token_that_is_missing_is_a_reason():
    jwt = JwtRequirement(providers=(("okta", ()),))
    policy = Policy(
        destination="web",
        intentions=(Intention(source="api", precedence=9, allow=True, jwt=jwt, name="n"),),
        trust_domains=("td",),
        jwt_providers=(JwtProvider(name="okta", keys='{"keys":[]}', forward_header="X-Claims"),),
    )
    world = World(chain=chain_of(policy=policy))
    found, _ = decided(world, asked(headers=[(b"x-claims", b"forged")]), API)
    assert isinstance(found, Reply)
    assert found.detail.endswith("no valid token of okta")


def test_a_token_in_the_query_is_not_written_down():
    policy = Policy(
        destination="web",
        intentions=(Intention(source="api", precedence=9),),
        trust_domains=("td",),
        jwt_providers=(JwtProvider(name="okta", keys='{"keys":[]}'),),
    )
    world = World(chain=chain_of(policy=policy))
    _, record = decided(world, asked(b"/a?x=1&access_token=secret&y=2"), API)
    assert "/a?x=1&y=2" == record.path


def test_a_header_that_only_a_token_may_fill_is_taken_from_who_has_none():
    policy = Policy(
        destination="web",
        intentions=(Intention(source="api", precedence=9, allow=True),),
        trust_domains=("td",),
        jwt_providers=(JwtProvider(name="okta", keys='{"keys":[]}', forward_header="X-Claims"),),
    )
    head = asked(b"/x/../a?b", headers=[(b"x-claims", b"forged"), (b"X", b"y")])
    found, _ = decided(World(chain=chain_of(policy=policy)), head, API)
    assert isinstance(found, Destination)
    assert ([(b"X", b"y")], b"/a?b") == (head.headers, found.target)


@pytest.mark.parametrize(("method", "upgrade"), [(b"CONNECT", b""), (b"GET", b"connect-udp")])
def test_other_tunnels_than_websockets_are_not_offered(method: bytes, upgrade: bytes):
    head = asked()
    head.method, head.upgrade = method, upgrade
    found, _ = decided(World(), head)
    assert isinstance(found, Reply)
    assert 501 == found.status


def test_dropped_headers_are_dropped():
    head = asked(headers=[(b"x_user", b"root"), (b"X", b"y")])
    world = World(chain=chain_of(http=HttpOptions(headers_with_underscores="DROP_HEADER")))
    decided(world, head)
    assert [(b"X", b"y")] == head.headers


def test_the_source_address_can_be_hashed():
    policies = (HashPolicy(source_ip=True),)
    cluster = WeightedCluster(cluster="web", hash_policies=policies)
    route = route_of()
    world = World(chain=chain_of(type(route)(name="r", clusters=(cluster,))))
    found, _ = decided(world)
    assert isinstance(found, Destination)
    assert found.hashed.value is not None


@pytest.mark.parametrize(
    ("text", "route_s", "expected_s"),
    [
        (b"2S", 15.0, 2.0),
        (b"500m", 15.0, 0.5),
        (b"1H", 15.0, 15.0),
        (b"1H", 0.0, 3600.0),
        (b"10u", 15.0, 1e-5),
        (b"x", 15.0, 15.0),
        (b"", 15.0, 15.0),
        (b"123456789S", 15.0, 15.0),
    ],
)
def test_a_grpc_client_may_shorten_the_time(text: bytes, route_s: float, expected_s: float):
    world = World(chain=chain_of(route_of(timeout_s=route_s), protocol="grpc"))
    found, _ = decided(world, asked(headers=[(b"grpc-timeout", text)]))
    assert isinstance(found, Destination)
    assert expected_s == pytest.approx(found.timeout_s)


@pytest.mark.parametrize(
    ("remote", "address"),
    [("10.0.0.9:1", "10.0.0.9"), ("[::1]:80", "::1"), ("/run/x.sock", ""), ("", "")],
)
def test_an_address_is_told_from_a_socket(remote: str, address: str):
    assert address == address_of(remote)
