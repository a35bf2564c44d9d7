"""What is shown of the proxies of an agent, as JSON. Not Consul's.

Times are milliseconds where a name ends in ``Ms``, else seconds; shares are 0-1.
"""

import datetime
from collections.abc import Iterator, Mapping

from agent.mesh.edges import InstanceKey, Rates, Totals
from agent.mesh.feed_server import ProxyState
from catalog.schema import Omit, Row
from proxy.api import ProxyConfig
from proxy.messages import Edge, Instance, Tapped


class EdgeTotals(Row, frozen=True, kw_only=True):
    """Counts since the agent began to see the edge; ``classes``: requests by response class."""

    requests: int
    classes: dict[str, int]
    connections: int = 0
    connect_failures: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    denied: int = 0
    limited: int = 0
    retries: int = 0
    retries_over_budget: int = 0
    mirrored: int = 0
    faults: int = 0


class EdgeSeen(Row, frozen=True, kw_only=True):
    """One edge: the rates of the last minute and all there was.

    Failed are answers of class 5xx and requests without an answer. Percentiles are estimates from
    a histogram, 0 without requests.
    """

    proxy: str
    direction: str
    source: str
    destination: str
    route: str
    cluster: str
    protocol: str
    requests_per_second: float
    failed_share: float
    p50_ms: float
    p99_ms: float
    connections_open: int
    connections_per_second: float
    bytes_received_per_second: float
    bytes_sent_per_second: float
    denied_per_second: float
    retries_per_second: float
    totals: EdgeTotals


class ListenerSeen(Row, frozen=True, kw_only=True):
    """Where a proxy listens: ``host:port``, or the path of a Unix socket."""

    name: str
    direction: str
    address: str
    protocol: str
    fault: Omit[str] = ""


class InstanceSeen(Row, frozen=True, kw_only=True):
    """An instance as the balancer sees it; ``active`` requests, or connections for TCP.

    ``address``: ``host:port``, or the path of a Unix socket. ``latency_ms`` is 0 before its use.
    """

    cluster: str
    target: str
    endpoint: str
    address: str
    weight: int
    ejected: bool = False
    active: int = 0
    latency_ms: float = 0.0


class ProxySeen(Row, frozen=True, kw_only=True):
    """A proxy of this agent.

    ``version`` 0: none of the agent's workers serves it, somebody else does. ``workers``: how many
    serve it; ``pending_s``: for how long its newest configuration waits to be applied, 0 once it
    is; ``age_s``: how old that is. ``faults``: by listener or cluster.
    """

    id: str
    service: str
    kind: str
    index: int
    version: int
    workers: int
    pending_s: float
    age_s: float
    faults: dict[str, str]
    listeners: tuple[ListenerSeen, ...] = ()
    instances: tuple[InstanceSeen, ...] = ()
    handshake_failures: dict[str, int]


class RequestSeen(Row, frozen=True, kw_only=True):
    """One request that has ended, or one TCP connection (then without method, path and status)."""

    at: str
    proxy: str
    direction: str
    source: str
    destination: str
    route: str
    cluster: str
    protocol: str
    peer: str
    peer_uri: Omit[str] = ""
    endpoint: str = ""
    method: Omit[str] = ""
    host: Omit[str] = ""
    path: Omit[str] = ""
    status: Omit[int] = 0
    duration_ms: float = 0.0
    bytes_received: int = 0
    bytes_sent: int = 0
    attempts: int = 0
    flags: Omit[tuple[str, ...]] = ()
    detail: Omit[str] = ""
    trace_id: Omit[str] = ""


def edge_seen(edge: Edge, totals: Totals, rates: Rates) -> EdgeSeen:
    """An edge as it is shown."""
    counts = {name: getattr(totals, name) for name in EdgeTotals.__struct_fields__}
    return EdgeSeen(
        proxy=edge.proxy,
        direction=edge.direction,
        source=edge.source,
        destination=edge.destination,
        route=edge.route,
        cluster=edge.cluster,
        protocol=edge.protocol,
        requests_per_second=round(rates.requests_per_s, 3),
        failed_share=round(rates.failed_share, 6),
        p50_ms=round(rates.p50_ms, 3),
        p99_ms=round(rates.p99_ms, 3),
        connections_open=rates.connections_open,
        connections_per_second=round(rates.connections_per_s, 3),
        bytes_received_per_second=round(rates.bytes_received_per_s, 1),
        bytes_sent_per_second=round(rates.bytes_sent_per_s, 1),
        denied_per_second=round(rates.denied_per_s, 3),
        retries_per_second=round(rates.retries_per_s, 3),
        totals=EdgeTotals(**counts | {"classes": dict(totals.classes)}),
    )


def proxy_seen(
    config: ProxyConfig,
    state: ProxyState | None,
    used: Mapping[InstanceKey, Instance],
    handshake_failures: dict[str, int],
) -> ProxySeen:
    """A proxy as it is shown; without a state no worker of the agent serves it.

    ``used``: what is known of endpoints of any proxy.
    """
    faults = dict(state.faults) if state else {}
    return ProxySeen(
        id=config.id,
        service=config.service,
        kind=config.kind,
        index=config.index,
        version=state.version if state else 0,
        workers=state.workers if state else 0,
        pending_s=round(state.pending_s, 3) if state else 0.0,
        age_s=round(state.age_s, 3) if state else 0.0,
        faults=faults,
        listeners=tuple(
            ListenerSeen(
                name=each.name,
                direction=each.direction,
                address=each.path or f"{each.address}:{each.port}",
                protocol=each.chains[0].protocol if each.chains else "",
                fault=faults.get(each.name, ""),
            )
            for each in config.listeners
        ),
        instances=tuple(_instances(config, used)),
        handshake_failures=handshake_failures,
    )


def _instances(config: ProxyConfig, used: Mapping[InstanceKey, Instance]) -> Iterator[InstanceSeen]:
    for name, cluster in sorted(config.clusters.items()):
        for group in cluster.groups:
            for endpoint in group.endpoints:
                seen = used.get((config.id, name, endpoint.id))
                yield InstanceSeen(
                    cluster=name,
                    target=group.target,
                    endpoint=endpoint.id,
                    address=endpoint.path or f"{endpoint.address}:{endpoint.port}",
                    weight=endpoint.weight,
                    ejected=seen is not None and seen.ejected,
                    active=seen.active if seen else 0,
                    latency_ms=round(seen.latency_ms, 3) if seen else 0.0,
                )


def request_seen(tapped: Tapped) -> RequestSeen:
    """A request as a tap shows it."""
    edge = tapped.edge
    at = datetime.datetime.fromtimestamp(tapped.at_s, datetime.UTC)
    return RequestSeen(
        at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        proxy=edge.proxy,
        direction=edge.direction,
        source=edge.source,
        destination=edge.destination,
        route=edge.route,
        cluster=edge.cluster,
        protocol=edge.protocol,
        peer=tapped.peer,
        peer_uri=tapped.peer_uri,
        endpoint=tapped.endpoint,
        method=tapped.method,
        host=tapped.host,
        path=tapped.path,
        status=tapped.status,
        duration_ms=round(tapped.duration_ms, 3),
        bytes_received=tapped.bytes_received,
        bytes_sent=tapped.bytes_sent,
        attempts=tapped.attempts,
        flags=tapped.flags,
        detail=tapped.detail,
        trace_id=tapped.trace_id,
    )
