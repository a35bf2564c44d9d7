"""/v1/status. Source: Consul API, status."""

from agent.http.call import Answer, Call
from agent.http.params import write_options
from agent.rpc.endpoints.server_state import StatusLeader, StatusPeers
from agent.rpc.request import Consistency


async def leader(call: Call) -> Answer:
    """The leader's RPC address; empty while there is none."""
    return Answer(json=(await call.front.router.call(_leader(call))).value)


def leader_now(call: Call) -> Answer:
    """As ``leader``, on a server."""
    reply, _read = call.front.router.read_now(_leader(call))
    return Answer(json=reply.value)


def _leader(call: Call) -> StatusLeader:
    # Any server may answer: who asks wants to know just when there is no leader.
    return StatusLeader(consistency=Consistency.STALE, **write_options(call))


async def peers(call: Call) -> Answer:
    """The servers' RPC addresses."""
    request = StatusPeers(consistency=Consistency.STALE, **write_options(call))
    return Answer(json=(await call.front.router.call(request)).value)
