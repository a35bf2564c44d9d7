"""Central configuration: what config entries say of a proxy, and how it fills a registration."""

import msgspec
import pytest

from catalog.commands import ConfigEntryPut
from catalog.queries.service_config import ServiceConfig, Subject, merge, resolve, subject_of
from catalog.rows.config_entry import ConfigEntry, Mesh, ProxyDefaults, ServiceDefaults
from catalog.rows.config_entry.upstream_defaults import (
    PassiveHealthCheck,
    RetryBudget,
    UpstreamConfig,
    UpstreamDefaults,
    UpstreamLimits,
)
from catalog.rows.service import (
    AccessLogs,
    ConnectProxy,
    EnvoyExtension,
    Expose,
    ExposePath,
    MeshGateway,
    NodeService,
    TransparentProxy,
    Upstream,
)
from tests.catalog.replica import Replica

PATH = ExposePath(path="/a", listener_port=21500)
OTHER_PATH = ExposePath(path="/b", listener_port=21501)


@pytest.fixture
def replica() -> Replica:
    return Replica()


def put(replica: Replica, *entries: ConfigEntry) -> None:
    for entry in entries:
        replica.do(ConfigEntryPut(entry=entry))


def proxy_defaults(**fields) -> ProxyDefaults:
    return ProxyDefaults(name="global", **fields)


def sidecar(**fields) -> NodeService:
    proxy = ConnectProxy(destination_service_name="web", destination_service_id="web-1", **fields)
    return NodeService(kind="connect-proxy", id="p", service="p", proxy=proxy)


def test_without_entries_nothing_is_said(replica):
    config, read = replica.read(resolve, Subject("web", ("db",)))

    assert config == ServiceConfig()
    assert read.watched


def test_service_defaults_refine_proxy_defaults(replica):
    put(
        replica,
        proxy_defaults(
            config={"protocol": "grpc", "x": 1},
            mesh_gateway=MeshGateway(mode="remote"),
            expose=Expose(paths=(PATH,)),
        ),
        ServiceDefaults(
            name="web",
            protocol="http",
            mesh_gateway=MeshGateway(mode="local"),
            expose=Expose(checks=True, paths=(OTHER_PATH,)),
        ),
    )

    config, _ = replica.read(resolve, Subject("WEB"))

    assert config == ServiceConfig(
        proxy_config={"protocol": "http", "x": 1},
        mesh_gateway=MeshGateway(mode="local"),
        expose=Expose(checks=True, paths=(OTHER_PATH,)),
    )


def test_service_defaults_keep_what_they_do_not_say(replica):
    put(
        replica,
        proxy_defaults(mesh_gateway=MeshGateway(mode="remote"), expose=Expose(paths=(PATH,))),
        ServiceDefaults(name="web"),
    )

    config, _ = replica.read(resolve, Subject("web"))

    assert config == ServiceConfig(
        mesh_gateway=MeshGateway(mode="remote"), expose=Expose(paths=(PATH,))
    )


def test_an_upstreams_protocol_is_its_own_or_that_of_all(replica):
    put(
        replica,
        proxy_defaults(config={"protocol": "http"}),
        ServiceDefaults(name="db", protocol="tcp"),
        ServiceDefaults(name="cache"),
    )

    config, _ = replica.read(resolve, Subject("web", ("db", "cache", "other")))

    assert config.upstream_configs == {
        "db": {"protocol": "tcp"},
        "cache": {"protocol": "http"},
        "other": {"protocol": "http"},
    }


def test_a_change_of_an_entry_moves_the_index(replica):
    _, before = replica.read(resolve, Subject("web"))
    put(replica, ServiceDefaults(name="web", protocol="http"))
    _, after = replica.read(resolve, Subject("web"))

    assert after.index == replica.index > before.index


def test_a_sidecar_is_governed_by_its_destination_and_asks_for_upstream_services():
    service = sidecar(
        upstreams=(
            Upstream(destination_type="service", destination_name="db"),
            Upstream(destination_type="prepared_query", destination_name="q"),
            Upstream(destination_name="db", datacenter="dc2"),
        )
    )

    assert subject_of(service) == Subject("web", ("db",))


@pytest.mark.parametrize("kind", ["mesh-gateway", "terminating-gateway", "ingress-gateway"])
def test_a_gateway_is_governed_by_its_own_name(kind):
    assert subject_of(NodeService(kind=kind, id="g-1", service="g")) == Subject("g")


def test_nothing_governs_typical_services_and_proxies_of_no_instance():
    proxy = ConnectProxy(destination_service_name="web")

    assert subject_of(NodeService(id="a", service="a")) is None
    assert subject_of(NodeService(kind="connect-proxy", service="p", proxy=proxy)) is None


def test_merging_nothing_changes_nothing():
    plain = sidecar(upstreams=(Upstream(destination_name="db"),))
    spelt_out = sidecar(config={}, upstreams=())

    assert merge(plain, ServiceConfig()) == plain
    assert merge(spelt_out, ServiceConfig()) == spelt_out


def test_values_of_the_registration_win_at_every_depth():
    service = sidecar(
        config={"protocol": "tcp", "limits": {"a": 0}},
        mesh_gateway=MeshGateway(mode="none"),
        expose=Expose(paths=(PATH,)),
    )
    config = ServiceConfig(
        proxy_config={"protocol": "http", "limits": {"a": 1, "b": 2}, "x": 3},
        mesh_gateway=MeshGateway(mode="local"),
        expose=Expose(checks=True, paths=(OTHER_PATH,)),
    )

    proxy = merge(service, config).proxy

    assert proxy.config == {"protocol": "tcp", "limits": {"a": 0, "b": 2}, "x": 3}
    assert proxy.mesh_gateway == MeshGateway(mode="none")
    assert proxy.expose == Expose(checks=True, paths=(PATH,))


def test_the_gateway_mode_flows_to_upstreams_that_are_services():
    query = Upstream(destination_type="prepared_query", destination_name="q")
    service = sidecar(
        upstreams=(
            Upstream(destination_name="db"),
            Upstream(destination_name="cache", mesh_gateway=MeshGateway(mode="none")),
            query,
        )
    )
    config = ServiceConfig(
        mesh_gateway=MeshGateway(mode="local"), upstream_configs={"db": {"protocol": "http"}}
    )

    merged = merge(service, config).proxy.upstreams

    assert merged == (
        Upstream(
            destination_name="db",
            mesh_gateway=MeshGateway(mode="local"),
            config={"protocol": "http"},
        ),
        Upstream(destination_name="cache", mesh_gateway=MeshGateway(mode="none")),
        query,
    )


def test_fields_of_service_defaults_become_options_of_the_proxy(replica):
    put(
        replica,
        proxy_defaults(config={"local_connect_timeout_ms": 1, "x": 1}),
        ServiceDefaults(
            name="web",
            max_inbound_connections=7,
            local_connect_timeout_ms=2,
            local_request_timeout_ms=3,
            balance_inbound_connections="exact_balance",
        ),
    )

    config, _ = replica.read(resolve, Subject("web"))

    assert {
        "x": 1,
        "max_inbound_connections": 7,
        "local_connect_timeout_ms": 2,
        "local_request_timeout_ms": 3,
        "balance_inbound_connections": "exact_balance",
    } == config.proxy_config


def test_modes_and_logs_come_from_the_service_and_then_from_all_proxies(replica):
    logs, extension = AccessLogs(enabled=True), EnvoyExtension(name="builtin/lua")
    put(
        replica,
        proxy_defaults(
            mode="direct",
            transparent_proxy=TransparentProxy(outbound_listener_port=1, dialed_directly=True),
            access_logs=logs,
            envoy_extensions=(extension,),
        ),
        ServiceDefaults(
            name="web",
            mode="transparent",
            transparent_proxy=TransparentProxy(outbound_listener_port=2),
            envoy_extensions=(extension,),
        ),
    )

    config, _ = replica.read(resolve, Subject("web"))
    proxy = merge(sidecar(), config).proxy

    assert ("transparent", logs) == (proxy.mode, proxy.access_logs)
    assert proxy.transparent_proxy == TransparentProxy(
        outbound_listener_port=2, dialed_directly=True
    )
    assert (extension, extension) == proxy.envoy_extensions


def with_upstreams(defaults=None, *overrides):
    return ServiceDefaults(
        name="web", upstream_config=UpstreamConfig(defaults=defaults, overrides=overrides)
    )


def test_upstream_defaults_and_then_overrides_refine_an_upstream(replica):
    put(
        replica,
        ServiceDefaults(name="db", protocol="tcp"),
        with_upstreams(
            UpstreamDefaults(
                protocol="http",
                connect_timeout_ms=10,
                limits=UpstreamLimits(max_connections=0),
                passive_health_check=PassiveHealthCheck(max_failures=3),
            ),
            UpstreamDefaults(
                name="DB", protocol="GRPC", retry_budget=RetryBudget(percent=0, min_per_second=1)
            ),
            UpstreamDefaults(name="cache", peer="west", protocol="http2"),
        ),
    )

    config, _ = replica.read(resolve, Subject("web", ("db", "cache")))

    shared = {
        "connect_timeout_ms": 10,
        "limits": {"max_connections": 0},
        "passive_health_check": {"max_failures": 3},
    }
    assert {
        "*": shared,
        "db": {
            **shared,
            "protocol": "grpc",
            "retry_budget": {"percent": 0, "min_per_second": 1},
        },
        "cache": {**shared, "protocol": "http"},
    } == config.upstream_configs


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ""),
        ({"all": "none"}, "none"),
        ({"all": "none", "service": "local"}, "local"),
        ({"service": "local", "defaults": "remote"}, "remote"),
        ({"defaults": "remote", "proxy": "none"}, "none"),
        ({"proxy": "none", "override": "local"}, "local"),
        ({"override": "local", "upstream": "remote"}, "remote"),
    ],
)
def test_how_an_upstream_leaves_the_datacenter_is_told_by_the_strongest(replica, told, expected):
    def gateway(who):
        return MeshGateway(mode=told.get(who, ""))

    put(
        replica,
        proxy_defaults(mesh_gateway=gateway("all")),
        msgspec.structs.replace(
            with_upstreams(
                UpstreamDefaults(mesh_gateway=gateway("defaults")),
                UpstreamDefaults(name="db", mesh_gateway=gateway("override")),
            ),
            mesh_gateway=gateway("service"),
        ),
    )
    upstream = Upstream(destination_name="db", mesh_gateway=gateway("upstream"))
    service = sidecar(mesh_gateway=gateway("proxy"), upstreams=(upstream,))

    config, _ = replica.read(resolve, subject_of(service))
    (merged,) = merge(service, config).proxy.upstreams

    assert expected == merged.mesh_gateway.mode


def test_blank_protocol_can_be_tcp_again(replica):
    put(
        replica,
        proxy_defaults(config={"protocol": "http"}),
        ServiceDefaults(name="db"),
        Mesh(blank_protocol_is_tcp=True),
    )

    config, _ = replica.read(resolve, Subject("web", ("db",)))

    assert {"db": {"protocol": "tcp"}} == config.upstream_configs


def test_nothing_is_said_of_what_is_with_a_peer():
    upstream = Upstream(destination_name="db", destination_peer="west")
    service = sidecar(upstreams=(upstream,))

    assert subject_of(service) == Subject("web")
    config = ServiceConfig(upstream_configs={"db": {"protocol": "http"}, "*": {"x": 1}})
    assert (upstream,) == merge(service, config).proxy.upstreams
