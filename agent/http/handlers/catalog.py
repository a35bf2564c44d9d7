"""/v1/catalog. Source: Consul API, catalog."""

from typing import Any

from agent.http.call import Answer, Call
from agent.http.decode import decode_body
from agent.http.params import near, node_meta, read_options, required, write_options
from agent.rpc.endpoints.catalog import (
    CatalogDeregister,
    CatalogRegister,
    GatewayServices,
    ListNodes,
    ListServices,
    NodeServices,
    ServiceNodes,
)
from agent.rpc.endpoints.server_state import ListDatacenters
from agent.rpc.request import Consistency, Reply
from catalog.rows.check import HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.schema import Row
from catalog.shape import to_json


class _Register(Row, frozen=True, kw_only=True):
    datacenter: str = ""
    id: str = ""
    node: str = ""
    address: str = ""
    tagged_addresses: dict[str, str] | None = None
    node_meta: dict[str, str] | None = None
    service: NodeService | None = None
    check: HealthCheck | None = None
    checks: tuple[HealthCheck, ...] | None = None
    skip_node_update: bool = False


class _Deregister(Row, frozen=True, kw_only=True):
    datacenter: str = ""
    node: str = ""
    service_id: str = ""
    check_id: str = ""


def _options(call: Call, datacenter: str) -> dict[str, Any]:
    """The datacenter of the body counts when the URL names none."""
    options = write_options(call)
    if datacenter and "datacenter" not in options:
        options["datacenter"] = datacenter
    return options


def register(call: Call) -> CatalogRegister:
    """A node, its service and its checks."""
    body = decode_body(call.body, _Register)
    checks = (*(() if body.check is None else (body.check,)), *(body.checks or ()))
    return CatalogRegister(
        node=Node(
            id=body.id,
            node=body.node,
            address=body.address,
            tagged_addresses=body.tagged_addresses,
            meta=body.node_meta,
        ),
        skip_node_update=body.skip_node_update,
        service=body.service,
        checks=checks,
        **_options(call, body.datacenter),
    )


def deregister(call: Call) -> CatalogDeregister:
    """A service, a check or a whole node."""
    body = decode_body(call.body, _Deregister)
    return CatalogDeregister(
        node=body.node,
        service_id=body.service_id,
        check_id=body.check_id,
        **_options(call, body.datacenter),
    )


async def datacenters(call: Call) -> Answer:
    """The known datacenters."""
    headers = (
        call.front.seen.headers(ListNodes(), call.headers.get("Cache-Control", ""))
        if call.query.has("cached")
        else {}
    )
    reply = await call.front.router.call(ListDatacenters(consistency=Consistency.STALE))
    return Answer(json=reply.value, headers=headers)


def list_nodes(call: Call) -> ListNodes:
    """All nodes."""
    return ListNodes(meta=node_meta(call), near=near(call), **read_options(call))


def list_services(call: Call) -> ListServices:
    """All services with their tags."""
    return ListServices(meta=node_meta(call), **read_options(call))


def service_nodes(call: Call) -> ServiceNodes:
    """The instances of a service."""
    return _service_nodes(call, connect=False)


def connect_nodes(call: Call) -> ServiceNodes:
    """What serves a service with mutual TLS."""
    return _service_nodes(call, connect=True)


def _service_nodes(call: Call, *, connect: bool) -> ServiceNodes:
    return ServiceNodes(
        service=required(call, "service", "service name"),
        connect=connect,
        tags=tuple(call.query.all("tag")),
        meta=node_meta(call),
        near=near(call),
        **read_options(call),
    )


def node_services(call: Call) -> NodeServices:
    """A node with its instances."""
    return NodeServices(node=required(call, "node", "node name"), **read_options(call))


def show_node(_call: Call, reply: Reply) -> Answer:
    """The node, and its instances by id; ``null`` for an unknown node."""
    found = reply.value
    if found is None:
        return Answer(json=None)
    services = {service.id: to_json(service) for service in found.services}
    return Answer(json={"Node": to_json(found.node), "Services": services})


def show_node_services(_call: Call, reply: Reply) -> Answer:
    """The node, and its instances in a list, ``null`` when it has none."""
    found = reply.value
    if found is None:
        return Answer(json={"Node": None, "Services": None})
    return Answer(json={"Node": found.node, "Services": found.services or None})


def gateway_services(call: Call) -> GatewayServices:
    """The services of a gateway."""
    return GatewayServices(gateway=required(call, "gateway", "gateway name"), **read_options(call))


def show_gateway_services(_call: Call, reply: Reply) -> Answer:
    """The links, names in objects as Consul shows them; ``null`` when there are none."""
    links = [
        {
            "Gateway": {"Name": link.gateway},
            "Service": {"Name": link.service},
            **{
                name: value
                for name, value in to_json(link).items()
                if name not in {"Gateway", "Service"}
            },
        }
        for link in reply.value
    ]
    return Answer(json=links or None)
