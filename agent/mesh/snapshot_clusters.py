"""From the resolvers of a discovery chain to clusters: where requests end.

A cluster has one group of instances for each target of its resolver: the first, then those of the
failover in their order. A group says how its instances are dialled: the name that TLS asks for,
and the identities that may answer. Source: Consul, service-resolver; mesh gateway modes.
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, cast, get_args

from agent.connect.spiffe import ServiceIdentity
from agent.mesh.settings import Place, UpstreamSettings, protocol_of
from agent.mesh.snapshot_endpoints import endpoints
from agent.mesh.watch_questions import Answers, Gateways, Instances
from catalog.chain.compiled import ChainNode, ChainTarget, CompiledChain
from catalog.chain.endpoints import endpoints_of
from catalog.duration import SECOND
from catalog.filters.syntax import FilterError
from catalog.rows.check import CRITICAL, CheckServiceNode
from catalog.rows.config_entry.load_balancer import HashPolicy as HashRow
from catalog.rows.config_entry.load_balancer import LoadBalancer
from proxy.api import (
    Balance,
    ClientTls,
    Cluster,
    EndpointGroup,
    HashPolicy,
    Outlier,
    Protocol,
    RetryBudget,
    TlsVersions,
)

REMOTE: Final = "remote"
LOCAL: Final = "local"
_RING_MIN: Final = Balance().ring_size_min
_RING_MAX: Final = Balance().ring_size_max  # as Envoy
_SESSION_COOKIE_S: Final = 0.0
"""A cookie that ends with the browser."""


Policy = Literal[
    "round_robin", "weighted", "random", "least_request", "ring_hash", "maglev", "peak_ewma"
]
_POLICIES: Final = frozenset(get_args(Policy))


USUAL: Final = UpstreamSettings()


class Dialling(NamedTuple):
    """What is the same for all clusters of an upstream.

    ``identity``: the service that is shown to peers. ``gateway_mode`` holds for targets of other
    datacenters whose chain names no mode.
    """

    place: Place
    answers: Answers
    identity: str
    trust_domain: str
    settings: UpstreamSettings = USUAL
    gateway_mode: str = ""
    versions: TlsVersions = TlsVersions()


def cluster_of(node: ChainNode, chain: CompiledChain, dialling: Dialling) -> Cluster:
    """The cluster of a resolver node; it is named after its first target."""
    resolver = node.resolver
    assert resolver is not None
    failover = resolver.failover.targets if resolver.failover else ()
    first = chain.targets[resolver.target]
    protocol = protocol_of(chain.protocol)
    balance = balance_of(node.load_balancer)
    groups = tuple(
        _group(chain.targets[name], protocol, dialling, near=balance.local)
        for name in (resolver.target, *failover)
    )
    return finished(
        Cluster(
            name=cluster_name(resolver.target, chain),
            service=first.service,
            datacenter=first.datacenter,
            protocol=protocol,
            groups=groups,
            connect_timeout_s=resolver.connect_timeout / SECOND,
            balance=balance,
        ),
        dialling.settings,
    )


def cluster_name(target: str, chain: CompiledChain) -> str:
    """A target's id; chains that callers changed have clusters of their own."""
    hashed = chain.customization_hash
    return f"{hashed}~{target}" if hashed else target


def finished(cluster: Cluster, settings: UpstreamSettings = USUAL) -> Cluster:
    """The cluster with the limits of its upstream."""
    usual = RetryBudget()
    percent, least = settings.retry_percent, settings.retry_per_second_min
    return Cluster(
        name=cluster.name,
        service=cluster.service,
        datacenter=cluster.datacenter,
        protocol=cluster.protocol,
        groups=cluster.groups,
        connect_timeout_s=cluster.connect_timeout_s,
        balance=cluster.balance,
        outlier=_outlier(cluster, settings),
        retry_budget=RetryBudget(
            percent=usual.percent if percent is None else percent,
            per_second_min=usual.per_second_min if least is None else least,
        ),
        connections_max=settings.connections_max,
        pending_max=settings.pending_max,
        requests_max=settings.requests_max,
    )


def _outlier(cluster: Cluster, settings: UpstreamSettings) -> Outlier | None:
    """When instances are set aside; the only one is not, unless somebody asked for it.

    Nobody could serve in its place, so that it would be missed for half a minute after a restart.
    """
    is_alone = sum(len(group.endpoints) for group in cluster.groups) == 1
    return None if is_alone and settings.outlier == Outlier() else settings.outlier


def mesh_tls(
    protocol: Protocol, dialling: Dialling, server_name: str, services: Iterable[tuple[str, str]]
) -> ClientTls:
    """How members of the mesh are dialled; ``services`` are pairs of service and datacenter."""
    uris = (
        ServiceIdentity(
            trust_domain=dialling.trust_domain, datacenter=datacenter, service=service
        ).uri
        for service, datacenter in services
    )
    return ClientTls(
        identity=dialling.identity,
        server_name=server_name,
        peer_uris=tuple(dict.fromkeys(uris)),
        alpn=hop_alpn(protocol),
        versions=dialling.versions,
    )


def hop_alpn(protocol: Protocol) -> tuple[str, ...]:
    """What a connection between two proxies is for."""
    match protocol:
        case "tcp":
            return ()
        case "http":
            return ("http/1.1",)
        case "http2" | "grpc":
            return ("h2",)


def _group(
    target: ChainTarget, protocol: Protocol, dialling: Dialling, *, near: bool
) -> EndpointGroup:
    place, answers = dialling.place, dialling.answers
    mode = target.mesh_gateway.mode or dialling.gateway_mode
    is_remote = target.datacenter != place.datacenter and not target.external
    if is_remote and mode in {LOCAL, REMOTE}:
        datacenter = place.datacenter if mode == LOCAL else target.datacenter
        gateways = answers.ask(Gateways(datacenter))
        found = usable(gateways or ())
    else:
        rows = answers.ask(Instances(target.service, target.datacenter)) or ()
        try:
            found = endpoints_of(target, rows)
        except FilterError:
            found = ()  # whom a filter means that cannot be read, nobody knows
    return EndpointGroup(
        target=target.id,
        tls=mesh_tls(protocol, dialling, target.sni, [(target.service, target.datacenter)]),
        endpoints=endpoints(found, place, answers, near=near),
    )


def usable(rows: Iterable[CheckServiceNode]) -> tuple[CheckServiceNode, ...]:
    """Instances none of whose checks is critical."""
    return tuple(row for row in rows if all(check.status != CRITICAL for check in row.checks))


def balance_of(row: LoadBalancer | None) -> Balance:
    """How requests are spread; without a policy it is round robin."""
    if row is None:
        return Balance()
    ring, least = row.ring_hash_config, row.least_request_config
    return Balance(
        policy=_policy(row.policy),
        choice_count=(least.choice_count if least else 0) or Balance().choice_count,
        ring_size_min=(ring.minimum_ring_size if ring else 0) or _RING_MIN,
        ring_size_max=(ring.maximum_ring_size if ring else 0) or _RING_MAX,
        local=row.prefer_near,
    )


def _policy(name: str) -> Policy:
    return cast("Policy", name) if name in _POLICIES else "round_robin"


def hash_policies(row: LoadBalancer | None) -> tuple[HashPolicy, ...]:
    """What of a request is hashed."""
    return tuple(_hash_policy(each) for each in (row and row.hash_policies) or ())


def _hash_policy(row: HashRow) -> HashPolicy:
    cookie = row.cookie_config if row.field == "cookie" else None
    cookie_ttl_s = -1.0
    if cookie is not None:
        cookie_ttl_s = _SESSION_COOKIE_S if cookie.session else (cookie.ttl / SECOND or -1.0)
    return HashPolicy(
        header=row.field_value if row.field == "header" else "",
        cookie=row.field_value if row.field == "cookie" else "",
        query_param=row.field_value if row.field == "query_parameter" else "",
        cookie_path=cookie.path if cookie else "",
        cookie_ttl_s=cookie_ttl_s,
        source_ip=row.source_ip,
        terminal=row.terminal,
    )
