"""Datacenters of real processes, whose servers meet on the WAN."""

from typing import Any

from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, wait_until
from tests.system.cluster import CHANGE_WAIT_S

# A -dev server has these from the start; one that keeps its data is told.
QUICK_WAN = (
    '-hcl=gossip_wan { gossip_interval = "100ms" probe_interval = "100ms" '
    'probe_timeout = "100ms" suspicion_mult = 3 }'
)
STATUS_WORDS = ("none", "alive", "leaving", "left", "failed")
BOTH_ALIVE = {"s1.dc1": "alive", "s2.dc2": "alive"}


def datacenter(start_agent: AgentStarter, number: int, *options: str) -> AgentProcess:
    """The server sN of a datacenter dcN."""
    return start_agent(f"-node=s{number}", f"-datacenter=dc{number}", *options)


def wan_address(server: AgentProcess) -> str:
    return f"{LOOPBACK}:{server.ports['serf-wan']}"


def wan_members(agent: AgentProcess) -> list[dict[str, Any]]:
    members: list[dict[str, Any]] = agent.get("/v1/agent/members?wan=1").json or []
    return members


def wan_status(agent: AgentProcess) -> dict[str, str]:
    """The WAN's members by name, as an agent sees them."""
    return {member["Name"]: STATUS_WORDS[member["Status"]] for member in wan_members(agent)}


def wait_wan(agent: AgentProcess, expected: dict[str, str]) -> None:
    wait_until(
        lambda: wan_status(agent) == expected, timeout_s=CHANGE_WAIT_S, what=f"wan: {expected}"
    )


def joined(start_agent: AgentStarter, *options: str) -> tuple[AgentProcess, AgentProcess]:
    """Two servers that know each other; the second one joined the first."""
    near, far = (datacenter(start_agent, number, *options) for number in (1, 2))
    far.put_ok(f"/v1/agent/join/{wan_address(near)}?wan=1")
    for server in (near, far):
        wait_wan(server, BOTH_ALIVE)
    return near, far
