"""``maint``: maintenance of the node or of one service."""

from agent.cli.client import Query, segment
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import say


def maint(call: Call) -> int:
    """``maint``: list what is in maintenance, or change it."""
    call.expect_arguments(0, 0, "")
    enable, disable = call.switch("enable"), call.switch("disable")
    if enable and disable:
        raise Failure("Only one of -enable or -disable may be provided")
    if call.text("reason") and not enable:
        raise Failure("Reason may only be provided with -enable")
    if call.text("service") and not (enable or disable):
        raise Failure("-service requires either -enable or -disable")
    if not (enable or disable):
        return _list(call)
    return _change(call, enable=enable)


def _change(call: Call, *, enable: bool) -> int:
    query: Query = [("enable", "true" if enable else "false")]
    if enable:
        query.append(("reason", call.text("reason")))
    path = "/v1/agent/maintenance"
    if service := call.text("service"):
        path = f"/v1/agent/service/maintenance/{segment(service)}"
    state = "enabled" if enable else "disabled"
    with explaining(f"Error {'enabling' if enable else 'disabling'} maintenance"):
        call.client.put(path, query)
    if service:
        say(f'Service maintenance is now {state} for "{service}"')
    else:
        say(f"Node maintenance is now {state}")
    return 0


def _list(call: Call) -> int:
    with explaining("Error querying Consul agent"):
        name = call.client.get_json("/v1/agent/self")["Config"]["NodeName"]
        checks = call.client.get_json("/v1/agent/checks") or {}
    for check_id, check in sorted(checks.items()):
        if check_id == "_node_maintenance":
            say(f"Node:\n  Name:   {name}\n  Reason: {check['Notes']}\n")
        elif check_id.startswith("_service_maintenance:"):
            say(f"Service:\n  ID:     {check['ServiceID']}\n  Reason: {check['Notes']}\n")
    return 0
