"""/v1/status. Source: Consul API, status."""

from agent.http.call import Answer, Call
from agent.http.params import write_options
from agent.rpc.request import NoPathToDatacenter


def _here(call: Call) -> None:
    if write_options(call).get("datacenter", call.datacenter).lower() != call.datacenter:
        raise NoPathToDatacenter


async def leader(call: Call) -> Answer:
    """The leader's RPC address; empty while there is none."""
    _here(call)
    return Answer(json=call.front.services.leader_address)


async def peers(call: Call) -> Answer:
    """The servers' RPC addresses."""
    _here(call)
    return Answer(json=[server.address for server in call.front.services.servers()])
