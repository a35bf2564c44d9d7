"""A mesh gateway: passes connections on by the server name that they ask for, unread.

    sidecar ──► gateway of dc1 ──(*.dc2.internal.<trust domain>)──► gateway of dc2 ──► sidecar

It has no say in who may connect: the two sidecars speak TLS with each other through it.
Source: Consul, mesh gateways.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agent.mesh.settings import Given, Place, ProxySettings
from agent.mesh.snapshot_clusters import finished, usable
from agent.mesh.snapshot_endpoints import endpoints
from agent.mesh.snapshot_inbound import bind_address
from agent.mesh.watch_questions import Answers, Datacenters, Entries, Gateways, Sidecars
from catalog.chain.compiled import ChainTarget, target_id
from catalog.chain.endpoints import endpoints_of
from catalog.filters.syntax import FilterError
from catalog.rows.check import CheckServiceNode
from catalog.rows.config_entry import SERVICE_RESOLVER, ServiceResolver
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.service import NodeService
from proxy.api import Cluster, EndpointGroup, FilterChain, Listener, Route, WeightedCluster


class Passing(NamedTuple):
    """The listeners of a mesh gateway, all alike, and the clusters behind them."""

    listeners: tuple[Listener, ...]
    clusters: dict[str, Cluster]


class _Way(NamedTuple):
    """Where a server name leads."""

    server_name: str
    cluster: Cluster


def mesh_gateway(
    gateway: NodeService,
    settings: ProxySettings,
    place: Place,
    trust_domain: str,
    answers: Answers,
) -> Passing:
    """A gateway to the services of this datacenter and to the gateways of others."""
    ways = (*_local(place, trust_domain, answers), *_remote(place, trust_domain, answers))
    chains = tuple(_chain(way) for way in ways)
    listeners = tuple(
        Listener(
            name=name,
            direction="gateway",
            address=address,
            port=port,
            chains=chains,
            handshake_timeout_s=settings.handshake_timeout_s,
        )
        for name, (address, port) in _addresses(gateway, settings).items()
    )
    return Passing(listeners, {way.cluster.name: way.cluster for way in ways})


def _addresses(gateway: NodeService, settings: ProxySettings) -> dict[str, tuple[str, int]]:
    """Where it listens, by name: at the service's address, at tagged ones, at others."""
    config: Mapping[str, Any] = gateway.proxy.config or {}
    found: dict[str, tuple[str, int]] = {}
    if not config.get("envoy_gateway_no_default_bind"):
        port = settings.bind_port or gateway.port
        found["default"] = (bind_address(gateway, settings), port)
    if config.get("envoy_gateway_bind_tagged_addresses"):
        for name, tagged in (gateway.tagged_addresses or {}).items():
            found[name] = (tagged.address, tagged.port)
    for name, bound in _map(config.get("envoy_gateway_bind_addresses")).items():
        given = Given(_map(bound))
        found[name] = (given.text("address"), given.whole("port") or gateway.port)
    taken: dict[tuple[str, int], str] = {}
    for name, where in found.items():
        taken.setdefault(where, name)
    return {name: where for where, name in taken.items()}


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _local(place: Place, trust_domain: str, answers: Answers) -> Iterable[_Way]:
    """The services of this datacenter that have sidecars, with their subsets."""
    by_service: dict[str, list[CheckServiceNode]] = {}
    for row in answers.ask(Sidecars()) or ():
        by_service.setdefault(row.service.proxy.destination_service_name, []).append(row)
    resolvers = {
        entry.name.lower(): entry
        for entry in answers.ask(Entries(SERVICE_RESOLVER)) or ()
        if isinstance(entry, ServiceResolver)
    }
    for service, rows in sorted(by_service.items()):
        resolver = resolvers.get(service.lower()) or ServiceResolver(name=service)
        for subset in ("", *sorted(resolver.subsets or ())):
            chosen = subset or resolver.default_subset
            definition = (resolver.subsets or {}).get(chosen) or Subset()
            name = target_id(service, subset, place.datacenter)
            target = ChainTarget(
                id=name, service=service, datacenter=place.datacenter, subset=definition
            )
            yield _local_way(target, rows, place, trust_domain, answers)


def _local_way(
    target: ChainTarget,
    rows: Iterable[CheckServiceNode],
    place: Place,
    trust_domain: str,
    answers: Answers,
) -> _Way:
    try:
        found = endpoints_of(target, rows)
    except FilterError:
        found = ()  # whom a filter means that cannot be read, nobody knows
    group = EndpointGroup(target=target.id, endpoints=endpoints(found, place, answers))
    cluster = Cluster(
        name=target.id, service=target.service, datacenter=place.datacenter, groups=(group,)
    )
    return _Way(f"{target.id}.internal.{trust_domain}", finished(cluster))


def _remote(place: Place, trust_domain: str, answers: Answers) -> Iterable[_Way]:
    """The gateways of other datacenters."""
    for datacenter in answers.ask(Datacenters()) or ():
        if datacenter == place.datacenter:
            continue
        name = f"{datacenter}.internal.{trust_domain}"
        gateways = answers.ask(Gateways(datacenter))
        found = usable(gateways or ())
        group = EndpointGroup(target=name, endpoints=endpoints(found, place, answers))
        cluster = Cluster(name=name, service="", datacenter=datacenter, groups=(group,))
        yield _Way(f"*.{name}", finished(cluster))


def _chain(way: _Way) -> FilterChain:
    share = WeightedCluster(cluster=way.cluster.name, node=way.cluster.name)
    return FilterChain(
        server_names=(way.server_name,),
        destination=way.cluster.service,
        routes=(Route(name=way.cluster.name, clusters=(share,)),),
    )
