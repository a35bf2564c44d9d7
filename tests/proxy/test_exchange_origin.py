from proxy.api import HttpOptions, Identity, Listener, ProxyConfig, ServerTls
from proxy.connection import Facts, Peer
from proxy.deadlines import Deadlines
from proxy.exchange_origin import Origin
from tests.proxy.http_world import FACTS, World, chain_of

API = Facts(
    listener="public",
    remote="[::1]:4242",
    peer=Peer(uri="spiffe://td/svc/api", trust_domain="td", service="api"),
)


def origin(world: World, facts: Facts = FACTS) -> Origin:
    return Origin(world, facts, Deadlines(world.now_s, world.call_later))


def test_a_record_names_the_edge_by_the_chain_or_by_the_peer():
    assert "api" == origin(World(), API).record().source
    named = chain_of(source="web", destination="db")
    record = origin(World(chain=named), API).record()
    assert ("web", "db", "http") == (record.source, record.destination, record.protocol)
    assert "" == origin(World()).record().source


def test_the_peer_is_told_with_our_own_identity():
    identity = Identity(
        service="web",
        uri="spiffe://td/svc/web",
        serial="01",
        certificates_pem="",
        private_key_pem="",
        expires_at_s=0.0,
    )
    world = World(
        chain=chain_of(tls=ServerTls(identity="web"), http=HttpOptions(forwarded_client_cert=True)),
        proxy=ProxyConfig(id="p", service="web", identities={"web": identity}),
    )
    headers = dict(origin(world, API).forwarded([]))
    assert b"https" == headers[b"x-forwarded-proto"]
    expected = b"By=spiffe://td/svc/web;URI=spiffe://td/svc/api"
    assert expected == headers[b"x-forwarded-client-cert"]
    assert b"::1" == headers[b"x-forwarded-for"]


def test_a_peer_cannot_say_more_than_one_thing_of_itself():
    uri = "spiffe://td/ns/default/dc/dc1/svc/a;URI=spiffe://td/ns/default/dc/dc1/svc/root"
    chain = chain_of(tls=ServerTls(), http=HttpOptions(forwarded_client_cert=True))
    peer = Facts(listener="public", remote="1.2.3.4:5", peer=Peer(uri=uri))

    headers = dict(origin(World(chain=chain), peer).forwarded([]))

    assert f'URI="{uri}"'.encode() == headers[b"x-forwarded-client-cert"]


def test_what_a_hop_adds_follows_the_newest_chain():
    world = World(chain=chain_of(http=HttpOptions(forwarded_client_cert=True)))
    at = origin(world, API)
    came = [(b"x-forwarded-client-cert", b"URI=x")]
    assert b"URI=x" == dict(at.forwarded(list(came)))[b"x-forwarded-client-cert"]
    world.change(chain=chain_of(http=HttpOptions(sanitize_client_cert=True)))
    assert b"x-forwarded-client-cert" not in dict(at.forwarded(list(came)))


def test_where_no_peer_is_told_of_nobody_can_make_one_up():
    world = World(listener=Listener(name="web", direction="outbound"))

    headers = origin(world).forwarded([(b"X-Forwarded-Client-Cert", b"URI=spiffe://td/svc/admin")])

    assert b"x-forwarded-client-cert" not in {name.lower() for name, _ in headers}
