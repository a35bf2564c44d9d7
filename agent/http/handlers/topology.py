"""/v1/internal/ui/service-topology. Source: Consul API, endpoints of the web UI.

The edges have what this agent's proxies carried of them in the last minute, so that no Prometheus
is needed to see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.http.call import Answer, Call, HttpError
from agent.http.params import read_options
from agent.rpc.endpoints.topology import EdgeTraffic, Neighbour, ServiceTopology, ServiceTopologyGet
from agent.rpc.request import Reply
from catalog.rows.service import KIND_INGRESS_GATEWAY

if TYPE_CHECKING:
    from agent.mesh.edges import Rates
    from agent.mesh.view import View


def get(call: Call) -> ServiceTopologyGet:
    """The services around one."""
    if not call.path["service"]:
        raise HttpError(400, "Missing service name")
    kind = call.query.get("kind")
    if kind is None:
        raise HttpError(400, "Missing service kind")
    if kind not in {"", KIND_INGRESS_GATEWAY}:
        message = f'Unsupported service kind "{kind}"'
        raise HttpError(400, message)
    return ServiceTopologyGet(service=call.path["service"], kind=kind, **read_options(call))


def show(call: Call, reply: Reply) -> Answer:
    """The same, with what is carried."""
    found: ServiceTopology = reply.value
    view = call.front.services.mesh_view()
    if view is None:
        return Answer(json=found)
    name = call.path["service"]
    return Answer(
        json=replace(
            found,
            upstreams=tuple(_seen(each, view, name, each.name) for each in found.upstreams),
            downstreams=tuple(_seen(each, view, each.name, name) for each in found.downstreams),
        )
    )


def _seen(neighbour: Neighbour, view: View, source: str, destination: str) -> Neighbour:
    rates = view.between(source, destination)
    return neighbour if rates is None else replace(neighbour, metrics=_traffic(rates))


def _traffic(rates: Rates) -> EdgeTraffic:
    return EdgeTraffic(
        seen_by=rates.edge.direction,
        requests_per_second=round(rates.requests_per_s, 3),
        failed_share=round(rates.failed_share, 6),
        p50_ms=round(rates.p50_ms, 3),
        p99_ms=round(rates.p99_ms, 3),
        connections_open=rates.connections_open,
        bytes_received_per_second=round(rates.bytes_received_per_s, 1),
        bytes_sent_per_second=round(rates.bytes_sent_per_s, 1),
    )
