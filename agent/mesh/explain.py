"""Why a request from one service to another goes where it goes, and whether it may.

Pure, over the very values that proxies are told, with the very decisions that they make
(proxy.core): what is explained is what happens. Source: the design's ``explain`` for one request.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from agent.mesh.explain_answer import (
    CertificateSeen,
    Explanation,
    GroupSeen,
    InstanceSeen,
    Retries,
    RouteTaken,
    Share,
    Verdict,
)
from agent.mesh.snapshot_endpoints import address_of
from catalog.chain.compiled import ChainTarget
from catalog.duration import SECOND
from catalog.filters import compile_filter
from catalog.filters.syntax import FilterError
from catalog.rows.check import CRITICAL, PASSING, CheckServiceNode
from proxy.api import (
    Cluster,
    EndpointGroup,
    FilterChain,
    ProxyConfig,
    RetryPolicy,
    Route,
    WeightedCluster,
)
from proxy.core.authorize import decide_connection, decide_request
from proxy.core.path import Refusal, normalized_target
from proxy.core.request import RequestFacts
from proxy.core.route import choose_route, rewritten_target
from proxy.core.spiffe import parse_peer
from proxy.http import RequestHead

ANY_METHOD: Final = "GET"
NO_ROUTE: Final = "no route takes this request"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The request in question; ``headers`` are pairs of name and value."""

    source: str
    destination: str
    method: str = ANY_METHOD
    path: str = "/"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known: the configurations, and all instances behind each target.

    ``destinations`` are by service, of those that have a proxy. ``local``: the source's proxy is
    on this agent, so its certificate is the real one. ``declared``: the destination is one of the
    source's upstreams.
    """

    source: ProxyConfig
    destinations: Mapping[str, ProxyConfig]
    instances: Mapping[str, tuple[CheckServiceNode, ...]]
    targets: Mapping[str, ChainTarget]
    local: bool = False
    declared: bool = True
    notes: tuple[str, ...] = ()


def explain(asked: Asked, seen: Seen) -> Explanation:
    """The explanation of a request."""
    source = seen.source
    found = _upstream(source, asked.destination)
    explanation = Explanation(
        source=asked.source,
        destination=asked.destination,
        datacenter=source.datacenter,
        index=source.index,
        declared=seen.declared,
        certificate=_certificate(seen),
        notes=seen.notes,
    )
    if found is None:
        return explanation
    listener, chain = found
    facts = RequestFacts(_head(asked))
    is_http = chain.protocol != "tcp"
    route = choose_route(chain.routes, facts) if is_http else next(iter(chain.routes), None)
    explanation = msgspec.structs.replace(
        explanation, listener=listener if seen.declared else "", protocol=chain.protocol
    )
    if route is None:
        return msgspec.structs.replace(explanation, notes=(*explanation.notes, NO_ROUTE))
    sent = rewritten_target(route, facts) if is_http else b""
    return msgspec.structs.replace(
        explanation,
        route=_route(route, sent, is_http=is_http),
        shares=tuple(_shares(route, RequestFacts(_head(asked), sent or b"/"), seen)),
    )


def _upstream(source: ProxyConfig, destination: str) -> tuple[str, FilterChain] | None:
    for listener in source.listeners:
        for chain in listener.chains:
            if listener.direction == "outbound" and chain.destination == destination:
                return listener.name, chain
    return None


def _head(asked: Asked) -> RequestHead:
    return RequestHead(
        method=asked.method.encode(),
        scheme=b"http",
        authority=(asked.host or asked.destination).encode(),
        target=asked.path.encode(),
        headers=[(name.encode(), value.encode()) for name, value in asked.headers],
    )


def _route(route: Route, sent: bytes, *, is_http: bool) -> RouteTaken:
    retry, mirror, fault, limit = route.retry, route.mirror, route.fault, route.rate_limit
    if not is_http:
        return RouteTaken(name=route.name, timeout_from="none: bytes have no requests")
    return RouteTaken(
        name=route.name,
        path_sent=sent.decode(errors="replace"),
        timeout=_nanoseconds(route.timeout_s),
        timeout_from=route.timeout_from,
        idle_timeout=_nanoseconds(route.idle_timeout_s),
        retries=_retries(retry) if retry else None,
        mirror=f"{mirror.percent:g} % to {mirror.cluster}" if mirror else "",
        fault=(
            f"delay {fault.delay_s:g} s for {fault.delay_percent:g} %, "
            f"status {fault.abort_status} for {fault.abort_percent:g} %"
            if fault
            else ""
        ),
        rate_limit=f"{limit.per_second:g} a second, at most {limit.burst:g} at once"
        if limit
        else "",
    )


def _retries(policy: RetryPolicy) -> Retries:
    return Retries(
        on=policy.on,
        status_codes=policy.status_codes,
        count=policy.count,
        per_try_timeout=_nanoseconds(policy.per_try_timeout_s),
    )


def _shares(route: Route, facts: RequestFacts, seen: Seen) -> Iterable[Share]:
    total = sum(share.weight for share in route.clusters)
    for share in route.clusters:
        yield _share(share, 100 * share.weight / total if total else 0.0, facts, seen)


def _share(share: WeightedCluster, percent: float, facts: RequestFacts, seen: Seen) -> Share:
    cluster = seen.source.clusters[share.cluster]
    used = next((group for group in cluster.groups if group.endpoints), None)
    target = seen.targets.get(used.target) if used else None
    return Share(
        percent=round(percent, 2),
        cluster=cluster.name,
        node=share.node,
        service=cluster.service,
        datacenter=cluster.datacenter,
        balance=cluster.balance.policy,
        connect_timeout=_nanoseconds(cluster.connect_timeout_s),
        groups=tuple(_group(group, seen, in_use=group is used) for group in cluster.groups),
        verdict=_verdict(target, cluster, facts, seen),
    )


def _group(group: EndpointGroup, seen: Seen, *, in_use: bool) -> GroupSeen:
    usable = {
        endpoint.id: InstanceSeen(
            id=endpoint.id,
            address=endpoint.path or f"{endpoint.address}:{endpoint.port}",
            usable=True,
            weight=endpoint.weight,
        )
        for endpoint in group.endpoints
    }
    target = seen.targets.get(group.target)
    left_out = tuple(
        instance
        for row in seen.instances.get(group.target, ())
        if (instance := _left_out(row, target, seen)).id not in usable
    )
    return GroupSeen(
        target=group.target,
        in_use=in_use,
        server_name=group.tls.server_name if group.tls else "",
        peer_uris=group.tls.peer_uris if group.tls else (),
        instances=(*usable.values(), *left_out),
    )


def _left_out(row: CheckServiceNode, target: ChainTarget | None, seen: Seen) -> InstanceSeen:
    address, port = address_of(row, wide=row.node.datacenter not in {"", seen.source.datacenter})
    return InstanceSeen(
        id=f"{row.node.node}/{row.service.id}",
        address=f"{address}:{port}",
        usable=False,
        why=why_left_out(row, target),
    )


def why_left_out(row: CheckServiceNode, target: ChainTarget | None) -> str:
    """Why an instance is not among the endpoints of a target."""
    only_passing = target is not None and target.subset.only_passing
    for check in row.checks:
        if check.status == CRITICAL or (only_passing and check.status != PASSING):
            return f"check {check.check_id} is {check.status}"
    if target is None or not target.subset.filter:
        return "it is not dialled"
    try:
        accepts = compile_filter(target.subset.filter, CheckServiceNode)
    except FilterError as error:
        return f"the filter of subset {target.service_subset} cannot be read: {error}"
    if not accepts(row):
        return f"subset {target.service_subset} wants {target.subset.filter}"
    return "it is not dialled"


def _verdict(
    target: ChainTarget | None, cluster: Cluster, facts: RequestFacts, seen: Seen
) -> Verdict | None:
    """What the destination's own proxy decides; None if there is none that we know."""
    if target is not None and target.datacenter != seen.source.datacenter:
        return None  # intentions there are its own
    service = target.service if target else cluster.service
    chain = _deciding(seen.destinations.get(service), service)
    identity = next(iter(seen.source.identities.values()), None)
    if chain is None or chain.policy is None or identity is None:
        return None
    peer = parse_peer(identity.uri, identity.serial)
    if chain.protocol == "tcp" or cluster.protocol == "tcp":
        decision = decide_connection(chain.policy, peer)
        return Verdict(service=service, allowed=decision.allowed, reason=decision.reason)
    path = normalized_target(facts.target, chain.http)
    if isinstance(path, Refusal):
        return Verdict(service=service, allowed=False, reason=path.detail)
    read = RequestFacts(_same_head(facts, path), path)
    decision = decide_request(chain.policy, peer, read)
    inbound = choose_route(chain.routes, read)
    return Verdict(
        service=service,
        allowed=decision.allowed,
        reason=decision.reason,
        permission=0 if decision.rule is None else decision.rule + 1,
        timeout=_nanoseconds(inbound.timeout_s) if inbound else 0,
        timeout_from=inbound.timeout_from if inbound else "",
    )


def _same_head(facts: RequestFacts, target: bytes) -> RequestHead:
    return RequestHead(
        method=facts.method,
        scheme=b"http",
        authority=facts.host.encode(),
        target=target,
        headers=facts.headers,
    )


def _deciding(config: ProxyConfig | None, service: str) -> FilterChain | None:
    """Where callers of a service come in: at its sidecar, or at a gateway that speaks for it."""
    for listener in config.listeners if config else ():
        for chain in listener.chains:
            if chain.policy is not None and chain.destination.lower() == service.lower():
                return chain
    return None


def _certificate(seen: Seen) -> CertificateSeen | None:
    for identity in seen.source.identities.values():
        if not seen.local:
            return CertificateSeen(uri=identity.uri)
        ends = datetime.fromtimestamp(identity.expires_at_s, UTC)
        return CertificateSeen(
            uri=identity.uri,
            local=True,
            serial=identity.serial,
            valid_before=ends.isoformat().replace("+00:00", "Z"),
        )
    return None


def _nanoseconds(seconds: float) -> int:
    return round(seconds * SECOND)
