"""What a local application dials."""

import pytest

from agent.mesh.snapshot import Subject, build
from agent.mesh.snapshot_upstreams import SOCKET_MODE_DEFAULT, listener_name, socket_mode
from agent.mesh.watch_questions import Central, Chain, Queried, Query
from catalog.duration import MILLISECOND
from catalog.queries.service_config import ServiceConfig, subject_of
from catalog.rows.config_entry import ServiceDefaults
from catalog.rows.config_entry.upstream_defaults import (
    UpstreamConfig,
    UpstreamDefaults,
    UpstreamLimits,
)
from catalog.rows.service import MeshGateway, NodeService, Upstream
from proxy.api import Listener, ProxyConfig
from tests.agent.mesh.world import (
    DC2,
    PLACE,
    TRUST_DOMAIN,
    World,
    instance,
    sidecar,
    upstream,
    uri,
)

NEAR_DB = Upstream(
    destination_type="prepared_query", destination_name="near-db", local_bind_port=9191
)


def outbound(config: ProxyConfig) -> Listener:
    (listener,) = (each for each in config.listeners if each.direction == "outbound")
    return listener


def asked_chain(world: World, registration: NodeService) -> Chain:
    answers = world.answers()
    build(Subject(registered=registration), PLACE, answers)
    (chain,) = (question for question in answers.asked if isinstance(question, Chain))
    return chain


def defaults(**fields: object) -> ServiceDefaults:
    return ServiceDefaults(name="web", upstream_config=UpstreamConfig(**fields))  # type: ignore[arg-type]


def test_an_upstream_listens_on_loopback_unless_it_says_else() -> None:
    plain = outbound(World().config(sidecar("web", upstream())))
    bound = outbound(World().config(sidecar("web", upstream(local_bind_address="::1"))))

    assert ("127.0.0.1", 9191) == (plain.address, plain.port)
    assert "::1" == bound.address


def test_an_upstream_may_listen_at_a_socket_with_a_mode() -> None:
    given = upstream(port=0, local_bind_socket_path="/run/db.sock", local_bind_socket_mode="0660")

    listener = outbound(World().config(sidecar("web", given)))

    assert ("", 0, "/run/db.sock", 0o660) == (
        listener.address,
        listener.port,
        listener.path,
        listener.mode,
    )
    assert "db:/run/db.sock" == listener.name


@pytest.mark.parametrize("text", ["", "x", "0", "7777777"])
def test_a_mode_that_cannot_be_read_is_the_owners_alone(text: str) -> None:
    assert SOCKET_MODE_DEFAULT == socket_mode(text)


def test_nobody_is_asked_on_the_way_out() -> None:
    (chain,) = outbound(World().config(sidecar("web", upstream()))).chains

    assert (None, None, "web", "db") == (chain.tls, chain.policy, chain.source, chain.destination)


def test_the_protocol_is_the_chains() -> None:
    world = World(ServiceDefaults(name="db", protocol="grpc"))

    assert "grpc" == outbound(world.config(sidecar("web", upstream()))).chains[0].protocol


def test_protocols_by_precedence() -> None:
    world = World(
        ServiceDefaults(name="db", protocol="http"),
        defaults(
            defaults=UpstreamDefaults(protocol="tcp"),
            overrides=(UpstreamDefaults(name="DB", protocol="grpc"),),
        ),
    )
    own = sidecar("web", upstream(config={"protocol": "http2"}))

    assert "http2" == asked_chain(world, own).overrides.protocol
    assert "grpc" == asked_chain(world, sidecar("web", upstream())).overrides.protocol
    assert "tcp" == asked_chain(world, sidecar("web", upstream("other"))).overrides.protocol


def test_gateway_modes_by_precedence() -> None:
    world = World(
        defaults(
            defaults=UpstreamDefaults(mesh_gateway=MeshGateway(mode="none")),
            overrides=(UpstreamDefaults(name="db", mesh_gateway=MeshGateway(mode="remote")),),
        )
    )

    def mode(name: str, **fields: MeshGateway) -> str:
        proxy = {"mesh_gateway": fields["proxy"]} if "proxy" in fields else {}
        own = {"mesh_gateway": fields["own"]} if "own" in fields else {}
        found = asked_chain(world, sidecar("web", upstream(name, **own), **proxy))
        return found.overrides.mesh_gateway_mode

    local, none = MeshGateway(mode="local"), MeshGateway(mode="none")
    assert "none" == mode("other")
    assert "local" == mode("other", proxy=local)
    assert "remote" == mode("db", proxy=local)
    assert "none" == mode("db", proxy=local, own=none)


def test_limits_and_times_by_precedence() -> None:
    world = World(
        defaults(
            defaults=UpstreamDefaults(
                connect_timeout_ms=1000, limits=UpstreamLimits(max_connections=1)
            ),
            overrides=(UpstreamDefaults(name="db", connect_timeout_ms=2000),),
        )
    )
    registration = sidecar("web", upstream(config={"limits": {"max_connections": 9}}))

    assert 2000 * MILLISECOND == asked_chain(world, registration).overrides.connect_timeout
    (cluster,) = (
        each for name, each in world.config(registration).clusters.items() if "db" in name
    )
    assert (2.0, 9) == (cluster.connect_timeout_s, cluster.connections_max)


def test_what_is_registered_counts_not_what_is_merged_into_it() -> None:
    registration = sidecar("web", upstream())
    subject = subject_of(registration)
    assert subject is not None
    merged = ServiceConfig(upstream_configs={"db": {"protocol": "http"}})
    world = World(defaults(defaults=UpstreamDefaults(protocol="grpc")))
    world.knows(Central(subject), merged)

    assert "grpc" == asked_chain(world, registration).overrides.protocol


def test_a_service_of_another_cluster_is_not_the_one_of_its_name() -> None:
    config = World().config(sidecar("web", upstream("db", destination_peer="abroad")))

    assert ["public_listener"] == [listener.name for listener in config.listeners]


def test_a_datacenter_is_where_the_chain_is_seen_from() -> None:
    given = upstream(datacenter=DC2)
    world = World().has("db", instance("db", datacenter=DC2), datacenter=DC2)

    config = world.config(sidecar("web", given))

    assert DC2 == asked_chain(world, sidecar("web", given)).datacenter
    assert "db?dc=dc2:127.0.0.1:9191" == listener_name(given)
    assert config.clusters["db.default.dc2"].groups[0].endpoints


def test_a_prepared_query_is_dialled_as_what_it_found() -> None:
    rows = (instance("db", address="10.0.0.5", datacenter=DC2),)
    found = Queried(service="db", datacenter=DC2, nodes=rows)
    config = World().knows(Query("near-db"), found).config(sidecar("web", NEAR_DB))

    listener = outbound(config)
    cluster = config.clusters["prepared_query:near-db"]
    (group,) = cluster.groups
    assert "prepared_query:near-db:127.0.0.1:9191" == listener.name
    assert "prepared_query:near-db" == listener.chains[0].routes[0].clusters[0].cluster
    assert group.tls is not None
    assert f"near-db.default.dc1.query.{TRUST_DOMAIN}" == group.tls.server_name
    assert (uri("db", DC2),) == group.tls.peer_uris
    assert ["10.0.0.5"] == [endpoint.address for endpoint in group.endpoints]


def test_a_query_that_has_not_run_has_no_listener_yet() -> None:
    config = World().config(sidecar("web", NEAR_DB))

    assert ["public_listener"] == [listener.name for listener in config.listeners]


def test_one_service_at_two_ports_has_one_cluster_unless_settings_differ() -> None:
    limited = upstream(port=2, config={"limits": {"max_connections": 1}})

    alike = World().config(sidecar("web", upstream(port=1), upstream(port=2)))
    other = World().config(sidecar("web", upstream(port=1), limited))

    assert {"local_app", "db.default.dc1"} == set(alike.clusters)
    assert {"local_app", "db.default.dc1", "db.default.dc1@db:127.0.0.1:2"} == set(other.clusters)
    shares = [each.chains[0].routes[0].clusters[0].cluster for each in other.listeners[1:]]
    assert ["db.default.dc1", "db.default.dc1@db:127.0.0.1:2"] == shares
