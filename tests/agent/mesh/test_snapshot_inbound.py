"""The way to the local application."""

from msgspec.structs import replace

from agent.mesh.settings import MANAGED_KEY
from agent.mesh.snapshot_inbound import NO_TIMEOUT
from agent.mesh.watch_questions import Entry
from catalog.rows.config_entry import ServiceDefaults
from catalog.rows.config_entry.rate_limits import (
    InstanceRateLimits,
    RateLimitRoute,
    RateLimits,
)
from catalog.rows.service import Expose, ExposePath
from proxy.api import FilterChain, Listener, ProxyConfig, RateLimit
from tests.agent.mesh.world import World, sidecar


def public(config: ProxyConfig) -> Listener:
    (listener,) = (each for each in config.listeners if each.name == "public_listener")
    return listener


def public_chain(config: ProxyConfig) -> FilterChain:
    (chain,) = public(config).chains
    return chain


def test_the_public_listener_wants_certificates_and_asks_intentions() -> None:
    chain = public_chain(World().config(sidecar()))

    assert chain.tls is not None
    assert ("web", True, ()) == (chain.tls.identity, chain.tls.mutual, chain.tls.alpn)
    assert chain.policy is not None
    assert "web" == chain.policy.destination
    assert ("tcp", "web") == (chain.protocol, chain.destination)


def test_it_listens_where_the_service_is_registered_or_where_the_config_says() -> None:
    plain = public(World().config(sidecar()))
    addressed = public(World().config(replace(sidecar(), address="10.0.0.1")))
    bound = public(World().config(sidecar(config={"bind_address": "::1", "bind_port": 20000})))

    assert ("0.0.0.0", 21000) == (plain.address, plain.port)
    assert ("10.0.0.1", 21000) == (addressed.address, addressed.port)
    assert ("::1", 20000) == (bound.address, bound.port)


def test_without_known_intentions_nobody_can_come_in() -> None:
    config = World().lacks(Entry).config(sidecar())

    assert () == config.listeners


def test_the_application_is_dialled_at_its_port_or_its_socket() -> None:
    at_port = World().config(sidecar()).clusters["local_app"].groups[0].endpoints[0]
    at_socket = (
        World()
        .config(sidecar(local_service_socket_path="/run/web.sock"))
        .clusters["local_app"]
        .groups[0]
        .endpoints[0]
    )

    assert ("127.0.0.1", 8080, "") == (at_port.address, at_port.port, at_port.path)
    assert ("", "/run/web.sock") == (at_socket.address, at_socket.path)


def test_the_application_is_never_set_aside() -> None:
    assert World().config(sidecar()).clusters["local_app"].outlier is None


def test_limits_and_times_are_the_registrations() -> None:
    config = World().config(
        sidecar(
            config={
                "protocol": "http",
                "local_connect_timeout_ms": 1500,
                "local_request_timeout_ms": "2500",
                "local_idle_timeout_ms": 60000,
                "handshake_timeout_ms": 3000,
                "max_inbound_connections": 7,
            }
        )
    )

    (route,) = public_chain(config).routes
    assert 1.5 == config.clusters["local_app"].connect_timeout_s
    assert (2.5, "local_request_timeout_ms", 60.0) == (
        route.timeout_s,
        route.timeout_from,
        route.idle_timeout_s,
    )
    assert 3.0 == public(config).handshake_timeout_s
    assert 7 == public_chain(config).connections_max


def test_an_inbound_request_has_no_limit_that_nobody_asked_for() -> None:
    (route,) = public_chain(World().config(sidecar(config={"protocol": "http"}))).routes

    assert (0.0, NO_TIMEOUT) == (route.timeout_s, route.timeout_from)


def test_http_takes_either_version_and_http2_only_its_own() -> None:
    for protocol, alpn in (("http", ("http/1.1", "h2")), ("http2", ("h2",)), ("grpc", ("h2",))):
        config = World().config(sidecar(config={"protocol": protocol}))

        tls = public_chain(config).tls
        assert tls is not None
        assert alpn == tls.alpn
        assert protocol == config.clusters["local_app"].protocol


def test_rate_limits_of_paths_come_before_the_one_of_the_instance() -> None:
    limits = InstanceRateLimits(
        requests_per_second=100,
        requests_max_burst=150,
        routes=(RateLimitRoute(path_prefix="/slow", requests_per_second=1),),
    )
    entry = ServiceDefaults(
        name="web", protocol="http", rate_limits=RateLimits(instance_level=limits)
    )

    slow, rest = public_chain(World(entry).config(sidecar(config={"protocol": "http"}))).routes

    assert ("/slow", RateLimit(per_second=1, burst=1)) == (slow.match.path_prefix, slow.rate_limit)
    assert RateLimit(per_second=100, burst=150) == rest.rate_limit


def test_exposed_paths_are_served_to_anybody_without_tls() -> None:
    path = ExposePath(listener_port=21500, path="/metrics", local_path_port=9102, protocol="http2")
    config = World().config(sidecar(expose=Expose(paths=(path,))))

    exposed = config.listeners[-1]
    (chain,) = exposed.chains
    (route,) = chain.routes
    assert ("exposed", 21500) == (exposed.direction, exposed.port)
    assert (None, None) == (chain.tls, chain.policy)
    assert "/metrics" == route.match.path_exact
    cluster = config.clusters[route.clusters[0].cluster]
    assert ("http2", 9102) == (cluster.protocol, cluster.groups[0].endpoints[0].port)


def test_whether_the_proxy_is_ours_is_not_told_to_it() -> None:
    ours = World().config(sidecar())

    assert ours == World().config(sidecar(config={MANAGED_KEY: True}))
