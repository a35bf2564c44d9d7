"""/v1/internal/ui. Source: Consul API, endpoints of the web UI."""

from agent.http.call import Answer, Call
from agent.http.params import read_options
from agent.rpc.endpoints.internal import NodeDump, ServiceDump, summarize
from agent.rpc.request import Reply


def nodes(call: Call) -> NodeDump:
    """All nodes."""
    return NodeDump(**read_options(call))


def node(call: Call) -> NodeDump:
    """One node."""
    return NodeDump(node=call.path["node"], **read_options(call))


def show_node(_call: Call, reply: Reply) -> Answer:
    """The node; 404 when there is none."""
    return Answer(json=reply.value[0]) if reply.value else Answer(status=404)


def services(call: Call) -> ServiceDump:
    """All services."""
    return ServiceDump(**read_options(call))


def show_services(call: Call, reply: Reply) -> Answer:
    """The services, summed up."""
    datacenter = read_options(call).get("datacenter", call.datacenter)
    return Answer(json=summarize(reply.value, datacenter))
