"""``mesh upgrade``: other worker processes of the data plane, without losing a connection."""

from typing import Final

from agent.cli.command import Call
from agent.cli.failure import explaining
from agent.cli.output import say

_PATH: Final = "/v1/internal/mesh/upgrade"


def upgrade(call: Call) -> int:
    """``mesh upgrade``: 0 once the new processes serve."""
    call.expect_arguments(0, 0, "")
    with explaining("Error replacing the workers"):
        processes: list[int] = call.client.put(_PATH).json()["Processes"]
    for process in processes:
        say(f"Worker replaced; the new one is process {process}")
    if not processes:
        say("No worker serves proxies at this agent")
    return 0
