"""What becomes of one request: refused, or where it goes. Made anew for each, on what is newest.

The order: a request that cannot be understood, one that its peer may not make, then limits and
routes, then faults that are put in on purpose. Nothing of a request that its peer may not make is
looked at by anything but the policy.
"""

from typing import Final

import msgspec

from proxy import jwt
from proxy.api import Fault, Policy, Route, WeightedCluster
from proxy.connection import Facts
from proxy.core.authorize import decide_request
from proxy.core.fault import NOTHING, Injection, inject
from proxy.core.hashing import NOTHING as NO_HASH
from proxy.core.hashing import Hashed, request_hash
from proxy.core.headers import edited
from proxy.core.path import Refusal
from proxy.core.request import RequestFacts
from proxy.core.route import choose_cluster, choose_route, rewritten_target
from proxy.core.screen import screen
from proxy.http import RequestHead, ResponseHead
from proxy.local_reply import DENIED, REASON_HEADER, Reply
from proxy.serving import Record, Serving, Upstream

WEBSOCKET: Final = b"websocket"
GRPC_TIMEOUT: Final = b"grpc-timeout"
_GRPC_UNITS: Final = {
    b"H": 3600.0,
    b"M": 60.0,
    b"S": 1.0,
    b"m": 1e-3,
    b"u": 1e-6,
    b"n": 1e-9,
}


class Destination(msgspec.Struct, frozen=True):
    """Where a request goes."""

    route: Route
    cluster: WeightedCluster
    upstream: Upstream
    target: bytes
    hashed: Hashed
    injection: Injection
    timeout_s: float


def decide(
    serving: Serving, facts: Facts, head: RequestHead, record: Record
) -> Destination | Reply:
    """Decide on a request; fills in the record what was found out."""
    chain = serving.chain
    if head.method == b"CONNECT" or (head.upgrade and head.upgrade != WEBSOCKET):
        return Reply(status=501, flag="refused", body="this kind of tunnel is not offered")
    request = screen(head, chain.http)
    if isinstance(request, Refusal):
        return _refused(request)
    if chain.policy is not None:
        if chain.policy.jwt_providers:
            record.path = jwt.shown(chain.policy.jwt_providers, head.target).decode("latin-1")
        admitted = _admitted(chain.policy, serving, facts, head, request)
        if isinstance(admitted, Reply):
            return admitted
        request = admitted
    route = choose_route(chain.routes, request)
    if not serving.admits_request(route.name if route is not None else ""):
        return Reply(status=429, flag="limited", body="too many requests", detail="rate limit")
    if route is None:
        return Reply(status=404, flag="no-route", body="no route", detail="no route matches")
    record.route = route.name
    cluster = choose_cluster(route, serving.random() if len(route.clusters) > 1 else 0.0)
    record.cluster = cluster.cluster
    upstream = serving.upstream(cluster.cluster)
    if upstream is None:
        return no_endpoint(f"the cluster {cluster.cluster} is not known")
    if not record.destination:
        record.destination = upstream.cluster.service
    timeout_s = route.timeout_s
    if chain.protocol == "grpc":
        timeout_s = _grpc_timeout_s(request.header(GRPC_TIMEOUT), timeout_s)
    return Destination(
        route,
        cluster,
        upstream,
        rewritten_target(route, request) if route.prefix_rewrite else request.target,
        _hashed(cluster, serving, facts, request) if cluster.hash_policies else NO_HASH,
        NOTHING if route.fault is None else _injection(route.fault, serving, record),
        timeout_s,
    )


def edit_answer(destination: Destination, head: ResponseHead) -> None:
    """Change an answer's head as its destination asks for."""
    of_cluster, of_route = destination.cluster.response_headers, destination.route.response_headers
    head.headers = edited(edited(head.headers, of_cluster), of_route)
    if destination.hashed.set_cookie:
        head.headers = [*head.headers, (b"set-cookie", destination.hashed.set_cookie)]


def no_endpoint(detail: str) -> Reply:
    """The answer where a route ends at nothing that could serve."""
    return Reply(status=503, flag="no-endpoint", body="no healthy upstream", detail=detail)


def address_of(remote: str) -> str:
    """The IP address of ``address:port`` or ``[v6]:port``; empty for a Unix socket."""
    host, colon, port = remote.rpartition(":")
    return host.strip("[]") if colon and port.isdigit() else ""


def _admitted(
    policy: Policy, serving: Serving, facts: Facts, head: RequestHead, request: RequestFacts
) -> RequestFacts | Reply:
    """The request as its peer may make it: without tokens that end here."""
    verified = jwt.verify(policy.jwt_providers, request)
    decision = decide_request(policy, facts.peer, request, verified.claims)
    if not decision.allowed:
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if serving.chain.http.reason_header:
            reason = decision.reason.encode("ascii", "replace")
            headers = ((REASON_HEADER, reason.replace(b"\r", b" ").replace(b"\n", b" ")),)
        return Reply(
            status=403, flag="denied", body=DENIED, detail=decision.reason, headers=headers
        )
    if verified is jwt.NOTHING:
        return request
    head.target = request.target
    jwt.apply(verified, head)
    return RequestFacts(head)


def _hashed(
    cluster: WeightedCluster, serving: Serving, facts: Facts, request: RequestFacts
) -> Hashed:
    address = address_of(facts.remote)
    return request_hash(cluster.hash_policies, request, address, serving.random)


def _injection(fault: Fault, serving: Serving, record: Record) -> Injection:
    injection = inject(fault, serving.random(), serving.random())
    if injection is not NOTHING:
        record.flags.append("fault")
    return injection


def _refused(refusal: Refusal) -> Reply:
    headers = ((b"location", refusal.location),) if refusal.location else ()
    return Reply(
        status=refusal.status,
        flag="refused",
        body=refusal.detail,
        detail=refusal.detail,
        headers=headers,
    )


def _grpc_timeout_s(text: bytes | None, timeout_s: float) -> float:
    """The shorter of a route's time and the client's, which is digits and a unit."""
    if not text or text[-1:] not in _GRPC_UNITS or not text[:-1].isdigit() or len(text) > 9:
        return timeout_s
    asked_s = int(text[:-1]) * _GRPC_UNITS[text[-1:]]
    return min(asked_s, timeout_s) if timeout_s else asked_s
