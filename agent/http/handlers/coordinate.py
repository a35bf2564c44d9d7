"""/v1/coordinate. Source: Consul API, network coordinates."""

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import decode_body
from agent.http.params import read_options, write_options
from agent.rpc.endpoints.coordinate import CoordinateApply, CoordinateNode, CoordinateNodes
from agent.rpc.endpoints.server_state import ListDatacenterMaps
from agent.rpc.request import Consistency, Reply
from catalog.rows.node import Coord, Coordinate
from catalog.schema import Row


class _Update(Row, frozen=True, kw_only=True):
    datacenter: str = ""
    node: str = ""
    segment: str = ""
    coord: Coord = Coord()


def enabled(call: Call) -> None:
    """Refuse when the agent keeps no coordinates."""
    if call.front.services.config.disable_coordinates:
        raise HttpError(401, "Coordinate support disabled")


async def datacenters(call: Call) -> Answer:
    """The servers' coordinates between datacenters."""
    enabled(call)
    reply = await call.front.router.call(ListDatacenterMaps(consistency=Consistency.STALE))
    return Answer(json=reply.value)


def nodes(call: Call) -> CoordinateNodes:
    """The coordinates of all nodes."""
    enabled(call)
    return CoordinateNodes(segment=call.query.get("segment"), **read_options(call))


def node(call: Call) -> CoordinateNode:
    """The coordinates of one node."""
    enabled(call)
    return CoordinateNode(
        node=call.path["node"], segment=call.query.get("segment"), **read_options(call)
    )


def show_node(_call: Call, reply: Reply) -> Answer:
    """The coordinates in a list; 404 when there are none."""
    return Answer(json=reply.value) if reply.value else Answer(status=404)


def update(call: Call) -> CoordinateApply:
    """A node's new coordinate."""
    enabled(call)
    body = decode_body(call.body, _Update)
    row = Coordinate(node=body.node, segment=body.segment, coord=body.coord)
    return CoordinateApply(coordinates=(row,), **write_options(call))
