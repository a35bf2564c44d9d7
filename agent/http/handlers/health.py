"""/v1/health. Source: Consul API, health."""

from agent.http.call import Answer, Call, HttpError
from agent.http.params import boolean, near, node_meta, read_options, required
from agent.rpc.endpoints.health import (
    ChecksInState,
    HealthServiceNodes,
    Lookup,
    NodeChecks,
    ServiceChecks,
)
from agent.rpc.request import Reply
from catalog.queries.health import only_passing


def node_checks(call: Call) -> NodeChecks:
    """The checks of a node."""
    return NodeChecks(node=required(call, "node", "node name"), **read_options(call))


def service_checks(call: Call) -> ServiceChecks:
    """The checks of a service."""
    return ServiceChecks(
        service=required(call, "service", "service name"),
        meta=node_meta(call),
        near=near(call),
        **read_options(call),
    )


def in_state(call: Call) -> ChecksInState:
    """The checks in a state."""
    return ChecksInState(
        state=required(call, "state", "check state"),
        meta=node_meta(call),
        near=near(call),
        **read_options(call),
    )


def service_nodes(call: Call) -> HealthServiceNodes:
    """The instances of a service with their checks."""
    return _service_nodes(call, Lookup.SERVICE)


def connect_nodes(call: Call) -> HealthServiceNodes:
    """What serves a service with mutual TLS."""
    return _service_nodes(call, Lookup.CONNECT)


def ingress_nodes(call: Call) -> HealthServiceNodes:
    """The ingress gateways that expose a service."""
    return _service_nodes(call, Lookup.INGRESS)


def _service_nodes(call: Call, lookup: Lookup) -> HealthServiceNodes:
    _passing(call)  # refused before the read, which may block
    return HealthServiceNodes(
        service=required(call, "service", "service name"),
        lookup=lookup,
        tags=tuple(call.query.all("tag")),
        meta=node_meta(call),
        near=near(call),
        **read_options(call),
    )


def show(call: Call, reply: Reply) -> Answer:
    """The instances; with ``?passing`` those all of whose checks pass."""
    rows = reply.value
    return Answer(json=only_passing(rows) if _passing(call) else rows)


def _passing(call: Call) -> bool:
    text = call.query.get("passing")
    if text is None:
        return False
    wanted = True if text == "" else boolean(text)
    if wanted is None:
        raise HttpError(400, "Invalid value for ?passing")
    return wanted
