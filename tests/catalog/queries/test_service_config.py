"""Central configuration: what config entries say of a proxy, and how it fills a registration."""

import pytest

from catalog.commands import ConfigEntryPut
from catalog.queries.service_config import ServiceConfig, Subject, merge, resolve, subject_of
from catalog.rows.config_entry import ConfigEntry, ProxyDefaults, ServiceDefaults
from catalog.rows.service import (
    ConnectProxy,
    Expose,
    ExposePath,
    MeshGateway,
    NodeService,
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
