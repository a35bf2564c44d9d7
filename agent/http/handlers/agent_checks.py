"""/v1/agent/checks, /v1/agent/check and /v1/agent/maintenance: this node's checks.

Answered by this agent alone. Source: Consul API, agent checks.
"""

from agent.http.call import Answer, Call, HttpError
from agent.http.handlers.agent_services import answering_faults, maintenance_switch
from agent.http.params import token_of
from agent.local.body import read_check, read_update
from agent.local.shown import check_json
from catalog.filters import FilterError, compile_filter
from catalog.rows.check import CRITICAL, PASSING, STATUSES, WARNING, HealthCheck


async def checks(call: Call) -> Answer:
    """Every check by its ID."""
    rows = {check_id: entry.check for check_id, entry in sorted(call.local.checks().items())}
    # Consul reads the filter only where there is a check to apply it to.
    if rows:
        try:
            passes = compile_filter(call.query.text("filter"), HealthCheck)
        except FilterError as fault:
            raise HttpError(500, str(fault)) from None
        rows = {check_id: row for check_id, row in rows.items() if passes(row)}
    return Answer(json={check_id: check_json(row) for check_id, row in rows.items()})


async def register(call: Call) -> Answer:
    """Register a check of the node or of one of its services."""
    definition = read_check(call.body)
    with answering_faults():
        call.local.register_check(definition, token=token_of(call))
    return Answer()


async def deregister(call: Call) -> Answer:
    """Remove a check."""
    with answering_faults():
        call.local.deregister_check(call.path["id"])
    return Answer()


async def passing(call: Call) -> Answer:
    """Say that what a TTL check stands for is well."""
    return _say(call, PASSING, call.query.text("note"))


async def warning(call: Call) -> Answer:
    """Say that what a TTL check stands for needs attention."""
    return _say(call, WARNING, call.query.text("note"))


async def failing(call: Call) -> Answer:
    """Say that what a TTL check stands for is not well."""
    return _say(call, CRITICAL, call.query.text("note"))


async def update(call: Call) -> Answer:
    """Set a TTL check's status and output."""
    body = read_update(call.body)
    if body.status not in STATUSES:
        raise HttpError(400, f"Invalid check status: '{body.status}'")
    return _say(call, body.status, body.output)


async def maintenance(call: Call) -> Answer:
    """Take the node out of use, or back."""
    enable = maintenance_switch(call)
    with answering_faults():
        call.local.set_node_maintenance(
            enable=enable, reason=call.query.text("reason"), token=token_of(call)
        )
    return Answer()


def _say(call: Call, status: str, output: str) -> Answer:
    with answering_faults():
        call.local.update_check(call.path["id"], status, output)
    return Answer()
