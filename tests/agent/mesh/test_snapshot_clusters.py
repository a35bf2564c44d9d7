"""From resolvers to clusters."""

import pytest

from agent.mesh.snapshot_clusters import balance_of, hash_policies, hop_alpn
from agent.mesh.watch_questions import Gateways
from catalog.duration import SECOND
from catalog.rows.check import CRITICAL, WARNING
from catalog.rows.config_entry import ConfigEntry, ServiceDefaults, ServiceResolver
from catalog.rows.config_entry.load_balancer import (
    CookieConfig,
    LeastRequestConfig,
    LoadBalancer,
    RingHashConfig,
)
from catalog.rows.config_entry.load_balancer import HashPolicy as HashRow
from catalog.rows.config_entry.service_resolver import Failover, FailoverTarget, Redirect, Subset
from catalog.rows.service import KIND_MESH_GATEWAY, MeshGateway
from proxy.api import Balance, Cluster, HashPolicy, Outlier
from tests.agent.mesh.world import DC1, DC2, World, instance, sidecar, sni, upstream, uri


def cluster(world: World, name: str = "db.default.dc1", **config: object) -> Cluster:
    registration = sidecar("web", upstream("db", config=config or None))
    return world.config(registration).clusters[name]


def addresses(found: Cluster, group: int = 0) -> list[str]:
    return [each.address for each in found.groups[group].endpoints]


def test_instances_that_are_not_critical_stand_behind_a_target() -> None:
    world = World().has(
        "db",
        instance("db", node="a", address="10.0.0.1"),
        instance("db", node="b", address="10.0.0.2", status=WARNING),
        instance("db", node="c", address="10.0.0.3", status=CRITICAL),
    )

    assert ["10.0.0.1", "10.0.0.2"] == addresses(cluster(world))


def test_peers_must_be_the_targets_service_and_see_who_dials() -> None:
    tls = cluster(World()).groups[0].tls

    assert tls is not None
    assert ("web", sni("db"), (uri("db"),), ()) == (
        tls.identity,
        tls.server_name,
        tls.peer_uris,
        tls.alpn,
    )


@pytest.mark.parametrize(
    ("protocol", "alpn"),
    [("tcp", ()), ("http", ("http/1.1",)), ("http2", ("h2",)), ("grpc", ("h2",))],
)
def test_the_hop_between_proxies_speaks_the_chains_protocol(
    protocol: str, alpn: tuple[str, ...]
) -> None:
    found = cluster(World(ServiceDefaults(name="db", protocol=protocol)))

    tls = found.groups[0].tls
    assert tls is not None
    assert (protocol, alpn) == (found.protocol, tls.alpn)
    assert alpn == hop_alpn(found.protocol)


def test_a_subset_takes_those_that_its_filter_means() -> None:
    subset = Subset(filter="Service.Meta.version == v2", only_passing=True)
    resolver = ServiceResolver(name="db", default_subset="v2", subsets={"v2": subset})
    world = World(resolver).has(
        "db",
        instance("db", node="a", address="10.0.0.1", meta={"version": "v1"}),
        instance("db", node="b", address="10.0.0.2", meta={"version": "v2"}),
        instance("db", node="c", address="10.0.0.3", meta={"version": "v2"}, status=WARNING),
    )

    found = cluster(world, "v2.db.default.dc1")

    assert ["10.0.0.2"] == addresses(found)
    assert found.groups[0].tls is not None
    assert sni("db", subset="v2") == found.groups[0].tls.server_name


def test_a_filter_that_cannot_be_read_takes_nobody() -> None:
    resolver = ServiceResolver(
        name="db", default_subset="v2", subsets={"v2": Subset(filter="what is this")}
    )

    assert [] == addresses(cluster(World(resolver).has("db", instance("db")), "v2.db.default.dc1"))


def test_a_redirect_leads_to_the_other_service_under_its_own_identity() -> None:
    resolver = ServiceResolver(name="db", redirect=Redirect(service="other", datacenter=DC2))
    world = World(resolver).has(
        "other", instance("other", address="10.2.0.1", datacenter=DC2), datacenter=DC2
    )

    found = cluster(world, "other.default.dc2")

    assert ("other", DC2, ["10.2.0.1"]) == (found.service, found.datacenter, addresses(found))
    assert found.groups[0].tls is not None
    assert (uri("other", DC2),) == found.groups[0].tls.peer_uris


def test_failover_groups_come_in_order_each_with_its_own_identity() -> None:
    targets = (FailoverTarget(datacenter=DC2), FailoverTarget(service="backup"))
    resolver = ServiceResolver(name="db", failover={"*": Failover(targets=targets)})
    world = (
        World(resolver)
        .has("db", instance("db", address="10.0.0.1"))
        .has("db", instance("db", address="10.2.0.1", datacenter=DC2), datacenter=DC2)
        .has("backup", instance("backup", address="10.0.0.9"))
    )

    found = cluster(world)

    assert ["db.default.dc1", "db.default.dc2", "backup.default.dc1"] == [
        group.target for group in found.groups
    ]
    assert [["10.0.0.1"], ["10.2.0.1"], ["10.0.0.9"]] == [addresses(found, n) for n in range(3)]
    assert [(uri("db"),), (uri("db", DC2),), (uri("backup"),)] == [
        group.tls.peer_uris for group in found.groups if group.tls
    ]


@pytest.mark.parametrize(("mode", "datacenter"), [("local", DC1), ("remote", DC2)])
def test_gateways_are_dialled_for_other_datacenters(mode: str, datacenter: str) -> None:
    entries: tuple[ConfigEntry, ...] = (
        ServiceResolver(name="db", redirect=Redirect(service="db", datacenter=DC2)),
        ServiceDefaults(name="db", mesh_gateway=MeshGateway(mode=mode)),
    )
    gateway = instance(KIND_MESH_GATEWAY, address="10.0.0.77", datacenter=datacenter)
    world = (
        World(*entries)
        .has("db", instance("db", address="10.2.0.1", datacenter=DC2), datacenter=DC2)
        .knows(Gateways(datacenter), (gateway,))
    )

    found = cluster(world, "db.default.dc2")

    assert ["10.0.0.77"] == addresses(found)
    assert found.groups[0].tls is not None
    assert (sni("db", DC2), (uri("db", DC2),)) == (
        found.groups[0].tls.server_name,
        found.groups[0].tls.peer_uris,
    )


def test_the_connect_timeout_is_the_resolvers_or_the_upstreams() -> None:
    resolver = ServiceResolver(name="db", connect_timeout=3 * SECOND)

    usual = cluster(World())
    resolved = cluster(World(resolver))
    (changed,) = (
        found
        for name, found in World(resolver)
        .config(sidecar("web", upstream("db", config={"connect_timeout_ms": 1500})))
        .clusters.items()
        if name.endswith("~db.default.dc1")
    )

    assert [5.0, 3.0, 1.5] == [each.connect_timeout_s for each in (usual, resolved, changed)]


def test_limits_and_budgets_are_the_upstreams() -> None:
    found = cluster(
        World(),
        limits={"max_connections": 3, "max_pending_requests": 0, "max_concurrent_requests": 5},
        passive_health_check={"max_failures": 1},
        retry_budget={"percent": 50},
    )

    assert (3, 0, 5) == (found.connections_max, found.pending_max, found.requests_max)
    assert found.outlier is not None
    assert 1 == found.outlier.failures_max
    assert (50.0, 3.0) == (found.retry_budget.percent, found.retry_budget.per_second_min)


def test_the_only_instance_is_not_set_aside_unless_somebody_asks_for_it() -> None:
    alone = World().has("db", instance("db"))
    two = World().has("db", instance("db", node="a"), instance("db", node="b"))

    assert cluster(alone).outlier is None
    assert Outlier() == cluster(two).outlier
    asked = cluster(alone, passive_health_check={"max_failures": 1}).outlier
    assert Outlier(failures_max=1) == asked


def test_balancers_have_their_settings_and_defaults() -> None:
    ring = LoadBalancer(policy="ring_hash", ring_hash_config=RingHashConfig(minimum_ring_size=10))
    least = LoadBalancer(
        policy="least_request", least_request_config=LeastRequestConfig(choice_count=5)
    )

    assert Balance() == balance_of(None)
    assert Balance(policy="ring_hash", ring_size_min=10) == balance_of(ring)
    assert Balance(policy="least_request", choice_count=5) == balance_of(least)
    assert Balance(policy="round_robin", local=True) == balance_of(LoadBalancer(prefer_near=True))
    assert Balance(policy="peak_ewma") == balance_of(LoadBalancer(policy="peak_ewma"))


def test_what_is_hashed_is_kept() -> None:
    rows = (
        HashRow(field="header", field_value="x", terminal=True),
        HashRow(field="cookie", field_value="c", cookie_config=CookieConfig(ttl=5 * SECOND)),
        HashRow(
            field="cookie", field_value="s", cookie_config=CookieConfig(session=True, path="/p")
        ),
        HashRow(field="cookie", field_value="n"),
        HashRow(field="query_parameter", field_value="q"),
        HashRow(source_ip=True),
    )

    assert (
        HashPolicy(header="x", terminal=True),
        HashPolicy(cookie="c", cookie_ttl_s=5.0),
        HashPolicy(cookie="s", cookie_ttl_s=0.0, cookie_path="/p"),
        HashPolicy(cookie="n"),
        HashPolicy(query_param="q"),
        HashPolicy(source_ip=True),
    ) == hash_policies(LoadBalancer(policy="maglev", hash_policies=rows))
