"""A service with those around it, summed up. Source: Consul API, service topology of the UI."""

from typing import Final

import msgspec

from agent.rpc.endpoints.internal import ServiceSummary, summarize
from agent.rpc.request import ReadRequest
from agent.rpc.server import ServerContext
from catalog.queries import topology
from catalog.queries.topology import IntentionSummary
from catalog.read import Read
from catalog.rows.service import KIND_INGRESS_GATEWAY
from catalog.schema import Omit, Row

REGISTRATION: Final = "registration"
_SHOWN_KINDS: Final = frozenset({"", KIND_INGRESS_GATEWAY})


class ServiceTopologyGet(ReadRequest, frozen=True, kw_only=True):
    """The services around one; ``kind`` is empty or ``ingress-gateway``."""

    service: str
    kind: str = ""


class EdgeTraffic(Row, frozen=True, kw_only=True):
    """What the proxies of the agent that was asked carried in the last minute.

    ``seen_by``: outbound or inbound, the end whose proxies counted it. Failed is a share of 0-1.
    """

    seen_by: str
    requests_per_second: float
    failed_share: float
    p50_ms: float
    p99_ms: float
    connections_open: int
    bytes_received_per_second: float
    bytes_sent_per_second: float


class Neighbour(ServiceSummary, frozen=True, kw_only=True):
    """A service at the other end of an edge. ``source`` says how the edge is known."""

    source: str = REGISTRATION
    intention: IntentionSummary
    metrics: Omit[EdgeTraffic | None] = None


class ServiceTopology(Row, frozen=True, kw_only=True):
    """What a service calls and what calls it; only services with instances."""

    protocol: str
    transparent_proxy: bool = False
    upstreams: tuple[Neighbour, ...] = ()
    downstreams: tuple[Neighbour, ...] = ()
    filtered_by_acls: bool = msgspec.field(default=False, name="FilteredByACLs")


def get(read: Read, request: ServiceTopologyGet, server: ServerContext) -> ServiceTopology:
    """See ServiceTopologyGet."""
    datacenter = server.datacenter
    around = topology.neighbours(read, request.service, request.kind, datacenter)
    known = topology.intentions(read)

    def shown(names: tuple[str, ...], *, are_called: bool) -> tuple[Neighbour, ...]:
        summaries = summarize(topology.instances(read, names), datacenter)
        wanted = {name.lower() for name in names}
        found = []
        for each in summaries:
            if each.name.lower() not in wanted or each.kind not in _SHOWN_KINDS:
                continue
            pair = (request.service, each.name) if are_called else (each.name, request.service)
            intention = topology.summary(*pair, known, server.undecided)
            fields = {name: getattr(each, name) for name in ServiceSummary.__struct_fields__}
            found.append(Neighbour(**fields, intention=intention))
        return tuple(found)

    return ServiceTopology(
        protocol=around.protocol,
        transparent_proxy=around.is_transparent,
        upstreams=shown(around.upstreams, are_called=True),
        downstreams=shown(around.downstreams, are_called=False),
    )
