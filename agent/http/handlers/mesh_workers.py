"""/v1/internal/mesh/upgrade: new worker processes in place of the present ones. Not Consul's.

For a newer version of the data plane while the agent goes on; an agent that starts with another
version than its workers have replaces them by itself.
"""

from agent.http.call import Answer, Call


async def upgrade(call: Call) -> Answer:
    """Replace every worker. ``Processes``: of the new ones; 500 if one cannot take over."""
    workers = call.front.services.mesh_workers()
    if workers is not None:
        await workers.upgrade()
    return Answer(json={"Processes": list(workers.processes) if workers else []})
