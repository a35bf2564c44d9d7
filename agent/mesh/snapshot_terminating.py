"""A terminating gateway: the way from the mesh to services that are not in it.

It speaks for every service that it is linked to: with that service's certificate, and by that
service's intentions. Behind it stand the service's own instances, dialled plain or with TLS from
files. Source: Consul, terminating-gateway.
"""

from typing import NamedTuple

from agent.mesh.settings import Place, ProxySettings, protocol_of
from agent.mesh.snapshot_clusters import balance_of, finished, hash_policies
from agent.mesh.snapshot_endpoints import endpoints
from agent.mesh.snapshot_inbound import bind_address, public_alpn
from agent.mesh.snapshot_options import http_options, server_versions
from agent.mesh.snapshot_policy import policy_of
from agent.mesh.watch_questions import Answers, Entry, Leaf, Linked, Members
from catalog.chain.compiled import ChainTarget, target_id
from catalog.chain.endpoints import endpoints_of
from catalog.duration import SECOND
from catalog.filters.syntax import FilterError
from catalog.rows.config_entry import (
    GLOBAL,
    PROXY_DEFAULTS,
    SERVICE_DEFAULTS,
    SERVICE_RESOLVER,
    ProxyDefaults,
    ServiceDefaults,
    ServiceResolver,
)
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.connect import CARoots, IssuedCertificate
from catalog.rows.service import GatewayService, NodeService
from proxy.api import (
    CONNECT_TIMEOUT_S,
    REQUEST_TIMEOUT_S,
    ClientTls,
    Cluster,
    EndpointGroup,
    FilterChain,
    Listener,
    Protocol,
    Route,
    ServerTls,
    WeightedCluster,
)


class Terminating(NamedTuple):
    """The one listener, the clusters behind it, and the certificates that are shown."""

    listener: Listener
    clusters: dict[str, Cluster]
    leaves: tuple[IssuedCertificate, ...]


def terminating(
    gateway: NodeService, settings: ProxySettings, place: Place, roots: CARoots, answers: Answers
) -> Terminating:
    """A gateway with the services whose certificate and intentions are known."""
    chains: list[FilterChain] = []
    clusters: dict[str, Cluster] = {}
    leaves: list[IssuedCertificate] = []
    for link in answers.ask(Linked(gateway.service)) or ():
        leaf = answers.ask(Leaf(link.service))
        if leaf is None:
            continue
        leaves.append(leaf)
        for subset in _subsets(link.service, answers):
            cluster = _cluster(link, subset, place, answers)
            chain = _chain(link, subset, cluster, place, roots, answers)
            if chain is not None:
                chains.append(chain)
                clusters[cluster.name] = cluster
    listener = Listener(
        name="default",
        direction="gateway",
        address=bind_address(gateway, settings),
        port=settings.bind_port or gateway.port,
        chains=tuple(chains),
        handshake_timeout_s=settings.handshake_timeout_s,
    )
    return Terminating(listener, clusters, tuple(leaves))


def _resolver(service: str, answers: Answers) -> ServiceResolver:
    for entry in answers.ask(Entry(SERVICE_RESOLVER, service)) or ():
        assert isinstance(entry, ServiceResolver)
        return entry
    return ServiceResolver(name=service)


def _subsets(service: str, answers: Answers) -> tuple[str, ...]:
    """The unnamed subset, and those of the resolver."""
    return ("", *sorted(_resolver(service, answers).subsets or ()))


def protocol_of_service(service: str, answers: Answers) -> Protocol:
    """The protocol that config entries give a service."""
    for entry in answers.ask(Entry(SERVICE_DEFAULTS, service)) or ():
        if isinstance(entry, ServiceDefaults) and entry.protocol:
            return protocol_of(entry.protocol)
    for entry in answers.ask(Entry(PROXY_DEFAULTS, GLOBAL)) or ():
        if isinstance(entry, ProxyDefaults):
            return protocol_of(entry.protocol)
    return "tcp"


def _chain(
    link: GatewayService,
    subset: str,
    cluster: Cluster,
    place: Place,
    roots: CARoots,
    answers: Answers,
) -> FilterChain | None:
    policy = policy_of(link.service, place, roots, answers)
    if policy is None:
        return None
    resolver = _resolver(link.service, answers)
    timeout_s = resolver.request_timeout / SECOND
    name = target_id(link.service, subset, place.datacenter)
    share = WeightedCluster(
        cluster=cluster.name, node=cluster.name, hash_policies=hash_policies(resolver.load_balancer)
    )
    return FilterChain(
        server_names=(f"{name}.internal.{roots.trust_domain}",),
        tls=ServerTls(
            identity=link.service,
            alpn=public_alpn(cluster.protocol),
            versions=server_versions(answers),
        ),
        protocol=cluster.protocol,
        destination=link.service,
        policy=policy,
        routes=(
            Route(
                name=cluster.name,
                clusters=(share,),
                timeout_s=timeout_s or REQUEST_TIMEOUT_S,
                timeout_from=f"resolver:{name} RequestTimeout" if timeout_s else "default",
            ),
        ),
        http=http_options(answers),
    )


def _cluster(link: GatewayService, subset: str, place: Place, answers: Answers) -> Cluster:
    resolver = _resolver(link.service, answers)
    protocol = protocol_of_service(link.service, answers)
    name = target_id(link.service, subset, place.datacenter)
    chosen = subset or resolver.default_subset
    target = ChainTarget(
        id=name,
        service=link.service,
        datacenter=place.datacenter,
        subset=(resolver.subsets or {}).get(chosen) or Subset(),
    )
    members = answers.ask(Members(link.service))
    try:
        found = endpoints_of(target, members or ())
    except FilterError:
        found = ()  # whom a filter means that cannot be read, nobody knows
    group = EndpointGroup(
        target=name, tls=_tls(link, protocol), endpoints=endpoints(found, place, answers)
    )
    cluster = Cluster(
        name=name,
        service=link.service,
        datacenter=place.datacenter,
        protocol=protocol,
        groups=(group,),
        connect_timeout_s=resolver.connect_timeout / SECOND or CONNECT_TIMEOUT_S,
        balance=balance_of(resolver.load_balancer),
    )
    return finished(cluster)


def _tls(link: GatewayService, protocol: Protocol) -> ClientTls | None:
    """TLS towards the service; none without an authority to check it with."""
    if not link.ca_file:
        return None
    return ClientTls(
        server_name=link.sni,
        ca_file=link.ca_file,
        cert_file=link.cert_file,
        key_file=link.key_file,
        alpn=("h2",) if protocol in {"http2", "grpc"} else (),
    )
